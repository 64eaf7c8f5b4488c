"""Runs a program: its streams are open, an error is one line, and Ctrl-C prints no traceback."""

import os
import sys
from io import TextIOWrapper

from udpping._console import interrupts, streams
from udpping.errors import ConfigError, UdppingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 2
"""The exit code of a program that could not do what it was asked."""
INTERRUPTED = 130  # 128 + SIGINT, as in a shell
NO_MEMORY = "there is not enough memory; ask for less, or raise the limit (ulimit -v, systemd's MemoryMax)"


def run(work: "Callable[[], int]", complain: "Callable[[Exception], None]") -> int:
    """Do the work with line-buffered output; return its exit code."""
    interrupts.keep()
    streams.open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
            if sys.platform == "win32":
                # Else a file or a pipe gets the code page of the system, and other bytes than elsewhere.
                encoding = None if os.environ.get("PYTHONIOENCODING") else "utf-8"
                stream.reconfigure(encoding=encoding, newline="\n")
    try:
        code = work()
        streams.close()
    except KeyboardInterrupt:
        streams.discard(sys.stdout)
        return INTERRUPTED
    except BrokenPipeError:
        streams.discard(sys.stdout)
        return FAILED
    except (UdppingError, ConfigError, OSError, MemoryError) as error:
        try:
            streams.close()
            complain(error)
            streams.close()
        except KeyboardInterrupt:
            return INTERRUPTED
        return FAILED
    return code


def text_of(error: Exception) -> str:
    """Say an error in words, without the number of a system's error."""
    if isinstance(error, MemoryError) and not str(error):
        return NO_MEMORY
    if isinstance(error, OSError) and error.strerror:
        place = "" if error.filename is None else f"{error.filename}: "
        return f"{place}{error.strerror}"
    return str(error)
