"""The command line: one file per subcommand, each with `main(words) -> exit code`."""

import os
import sys
from io import TextIOWrapper

from udpping.errors import ConfigError

FAILED = 2
INTERRUPTED = 130  # as a shell has it for programs that Ctrl-C ended
OPTIONS = {
    "bind",
    "count",
    "delay",
    "dscp",
    "host",
    "interval",
    "linger",
    "loss",
    "port",
    "port_tries",
    "reply",
}
OPTIONS |= {"scope", "seed", "size", "timeout", "ttl"}
"""Settings that are called here as in Python, with two dashes."""


def run(name: str, words: list[str]) -> int:
    """Run a command with lines that leave at once, and with one line for whatever goes wrong."""
    from importlib import import_module

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        code: int = import_module(f"udpping.cli.{name}").main(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody is left to tell, and flushing at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ConfigError, OSError) as error:
        return _complain(name, error, as_json="--json" in words)
    return code


def _complain(name: str, error: Exception, *, as_json: bool) -> int:
    from udpping.cli._output import Report

    text = str(error)
    what, space, rest = text.partition(" ")
    if isinstance(error, ConfigError) and what in OPTIONS:
        text = f"--{what}{space}{rest}"
    text = text.replace("--port_tries", "port_tries").replace("port_tries", "--port-tries")
    Report(json=as_json).record("error", error=type(error).__name__, message=text)
    print(f"udpping {name}: {text}", file=sys.stderr)
    return FAILED
