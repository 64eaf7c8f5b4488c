"""The command line: one file per subcommand, each with `main(words) -> exit code`."""

import sys
from io import TextIOWrapper

from udpping.cli import _stream
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

    _stream.open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        raise_on_signals()
        code: int = import_module(f"udpping.cli.{name}").main(words)
        _stream.close()
    except KeyboardInterrupt:
        _stream.discard(sys.stdout)
        return INTERRUPTED
    except BrokenPipeError:
        _stream.discard(sys.stdout)
        return FAILED
    except (ConfigError, OSError) as error:
        try:
            parser: Parser = import_module(f"udpping.cli.{name}").parser()
            _stream.close()
            _complain(parser, error, as_json="--json" in words)
            _stream.close()
        except KeyboardInterrupt:
            return INTERRUPTED
        return FAILED
    return code


def _complain(parser: "Parser", error: Exception, *, as_json: bool) -> None:
    text = str(error)
    name, _, rest = text.partition(" ")
    option = f"--{name.replace('_', '-')}"
    if isinstance(error, ConfigError) and f"{option} " in parser.format_help():
        # What Python calls `loss` is `--loss` here.
        text = f"{option} {rest}"
    text = text.replace("--port_tries", "port_tries").replace("port_tries", "--port-tries")
    Report(json=as_json).fail(parser.prog, type(error).__name__, text)
