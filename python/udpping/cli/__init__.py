"""The command line: one file per subcommand, each with `main(words) -> exit code`."""

import os
import sys
from io import TextIOWrapper

from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

FAILED = 2
INTERRUPTED = 130  # 128 + SIGINT, as in a shell


def run(name: str, words: list[str]) -> int:
    """Run a command with line-buffered output; print an error on one line."""
    from importlib import import_module

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    command = import_module(f"udpping.cli.{name}")
    try:
        code: int = command.main(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`): flushing at exit must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ConfigError, OSError) as error:
        return _complain(command, error, as_json="--json" in words)
    return code


def _complain(command: "ModuleType", error: Exception, *, as_json: bool) -> int:
    from udpping.cli._output import Report

    parser = command.parser()
    text = str(error)
    name, _, rest = text.partition(" ")
    option = f"--{name.replace('_', '-')}"
    if isinstance(error, ConfigError) and f"{option} " in parser.format_help():
        # What Python calls `loss` is `--loss` here.
        text = f"{option} {rest}"
    text = text.replace("--port_tries", "port_tries").replace("port_tries", "--port-tries")
    Report(json=as_json).record("error", error=type(error).__name__, message=text)
    print(f"{parser.prog}: {text}", file=sys.stderr)
    return FAILED
