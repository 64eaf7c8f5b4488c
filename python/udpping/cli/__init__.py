"""The command line: one file per subcommand, each with `main(words) -> exit code`."""

import os
import sys
from io import TextIOWrapper

from udpping.cli._end import raise_on_signals
from udpping.cli._output import FAILED, Report
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._console.options import Parser

INTERRUPTED = 130  # 128 + SIGINT, as in a shell


def run(name: str, words: list[str]) -> int:
    """Run a command with line-buffered output; print an error on one line."""
    from importlib import import_module

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        raise_on_signals()
        code: int = import_module(f"udpping.cli.{name}").main(words)
    except KeyboardInterrupt:
        _close_output()
        return INTERRUPTED
    except BrokenPipeError:
        _close_output()
        return FAILED
    except (ConfigError, OSError) as error:
        try:
            parser: Parser = import_module(f"udpping.cli.{name}").parser()
            return _complain(parser, error, as_json="--json" in words)
        except KeyboardInterrupt:
            return INTERRUPTED
    return code


def _close_output() -> None:
    """Let flushing at exit neither wait for a slow reader nor fail without one (`| head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(parser: "Parser", error: Exception, *, as_json: bool) -> int:
    text = str(error)
    name, _, rest = text.partition(" ")
    option = f"--{name.replace('_', '-')}"
    if isinstance(error, ConfigError) and f"{option} " in parser.format_help():
        # What Python calls `loss` is `--loss` here.
        text = f"{option} {rest}"
    text = text.replace("--port_tries", "port_tries").replace("port_tries", "--port-tries")
    Report(json=as_json).fail(parser.prog, type(error).__name__, text)
    return FAILED
