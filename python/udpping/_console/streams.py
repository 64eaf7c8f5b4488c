"""What programs print: at once, or beside work that goes on whatever becomes of it."""

import os
import sys
from contextlib import contextmanager, suppress
from errno import EAGAIN
from io import RawIOBase, TextIOBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from threading import Event as Done
    from typing import Any, TextIO

MOST = 1 << 22
"""Characters that wait for a slow reader; later lines are left out."""
PORTION = 4_096
"""Bytes written at once, so that a slow reader is seen to make progress."""
PATIENCE = 2.0
"""Seconds at the end without any progress after which a reader is given up."""
MOMENT = 0.1
"""Seconds between two looks at a stream that takes nothing now."""
ENABLE_VIRTUAL_TERMINAL_PROCESSING = 4
"""The bit of a console of Windows that reads colours."""


def open_missing() -> None:
    """Open /dev/null for standard streams that are closed: else a socket or a file would get their number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # Of the free numbers, a file gets the lowest.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115


def colours(stream: "TextIO") -> bool:
    """Whether a terminal shows colours; a console of Windows is asked to."""
    if sys.platform == "win32":
        from ctypes import WinDLL, byref, c_ulong, c_void_p
        from msvcrt import get_osfhandle

        kernel, mode, console = WinDLL("kernel32"), c_ulong(), c_void_p(get_osfhandle(stream.fileno()))
        if not kernel.GetConsoleMode(console, byref(mode)):
            return False
        return bool(kernel.SetConsoleMode(console, mode.value | ENABLE_VIRTUAL_TERMINAL_PROCESSING))
    return True


def write(text: str, stream: "TextIO") -> None:
    """Write a line now; an error names the stream."""
    try:
        _write_all(f"{text}\n", stream)
    except BrokenPipeError:
        raise
    except OSError as error:
        _end_on_a_line(stream, text)
        name = "standard error" if stream is sys.stderr else "standard output"
        raise OSError(error.errno, f"cannot write to {name}: {error.strerror}") from None


def _write_all(text: str, stream: "TextIO") -> None:
    buffer = getattr(stream, "buffer", None)
    if not isinstance(buffer, RawIOBase):
        # With its end, as `Beside` takes whole lines.
        print(text, end="", file=stream, flush=True)
        return
    # Unbuffered (`python -u`), a text stream does not notice that a disk took only a part.
    data = text.encode(stream.encoding, "backslashreplace")
    while data:
        count = buffer.write(data)
        if count is None:
            raise BlockingIOError(EAGAIN, os.strerror(EAGAIN))
        data = data[count:]


def _end_on_a_line(stream: "TextIO", text: str) -> None:
    """Take from a file what a full disk took of this line, and write no more to it."""
    from stat import S_ISREG

    line = text.encode(stream.encoding or "utf-8", "backslashreplace")
    with suppress(OSError, ValueError):
        number = stream.fileno()
        if not S_ISREG(os.fstat(number).st_mode):
            return
        with open(f"/dev/fd/{number}", "rb") as file, open(os.dup(number), "wb", 0) as own:  # noqa: PTH123
            # The rest of the line waits in a buffer, and would be written at the end.
            discard(stream)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(line) - 1))
            part = file.read().rpartition(b"\n")[2]
            if line.startswith(part):
                os.ftruncate(own.fileno(), size - len(part))


class Stream:
    """Writes lines to a stream in a thread: a stream that is full, gone or stopped holds up nothing."""

    def __init__(self, stream: "TextIO") -> None:
        from queue import SimpleQueue

        buffer = getattr(stream, "buffer", None)
        raw = getattr(buffer, "raw", buffer)
        self.failure: str | None = None
        self._stream = stream
        # Not through the buffer: its lock is held while a write waits, and at its end Python waits for that.
        self._raw = raw if isinstance(raw, RawIOBase) else None
        self._lines: SimpleQueue[tuple[str, Done | None]] = SimpleQueue()
        self._put = self._written = self._portions = self._left_out = 0
        self._started = self._slow = False

    def print(self, text: str) -> None:
        """Print a line when the stream takes it; it is left out when too many wait."""
        if self._raw is None:
            with suppress(OSError):
                print(text, file=self._stream)
            return
        if self.failure is not None:
            return
        waiting = self._put - self._written
        if waiting and waiting + len(text) > MOST:
            self._left_out += 1
            return
        for other in tuple(_streams.values()):
            if other is not self:
                other.settle()
        if not self._start():
            write(text, self._stream)
            return
        self._put += len(text)
        self._lines.put((text, None))

    def settle(self) -> None:
        """Wait a moment for what is not yet written: lines of two streams keep their order on a terminal."""
        from time import monotonic, sleep

        end = monotonic() + MOMENT
        while self._put != self._written and not self._slow:
            sleep(0.001)
            self._slow = monotonic() > end

    def close(self) -> None:
        """Wait until all is written, as long as something is."""
        if not self._started:
            return
        from threading import Event

        if self._left_out:
            self._lines.put((f"{self._left_out:,} lines left out: they were read too slowly", None))
        over = Event()
        self._lines.put(("", over))
        portions = -1
        while portions != self._portions and not over.is_set():
            portions = self._portions
            over.wait(PATIENCE)

    def _start(self) -> bool:
        if not self._started:
            from threading import Thread

            # There may be a limit on threads.
            with suppress(RuntimeError):
                Thread(target=self._work, daemon=True).start()
                self._started = True
        return self._started

    def _work(self) -> None:
        _let_a_stopped_terminal_be()
        while True:
            text, over = self._lines.get()
            if over is not None:
                over.set()
                return
            if self.failure is None:
                try:
                    self._write(f"{text}\n".encode(self._stream.encoding, "backslashreplace"))
                except (OSError, ValueError) as error:
                    self.failure = getattr(error, "strerror", None) or str(error)
                    if self._stream is sys.stdout:
                        of(sys.stderr).print(
                            f"udpping: cannot write to standard output: {self.failure}; going on without it"
                        )
            self._written += len(text)

    def _write(self, data: bytes) -> None:
        from time import sleep

        while data and self._raw is not None:
            count = self._raw.write(data[:PORTION])
            if count is None:
                # Another program made it non-blocking.
                sleep(MOMENT)
            else:
                data = data[count:]
                self._portions += 1


def _let_a_stopped_terminal_be() -> None:
    """Block SIGTTOU in this thread: under `stty tostop` a line in the background stops the process."""
    import signal

    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})


class Beside(TextIOBase):
    """A text stream for `print`, which gets whole lines; they are written beside the work."""

    def __init__(self, stream: "TextIO") -> None:
        self._lines = of(stream)

    def write(self, text: str, /) -> int:
        if text:
            self._lines.print(text.removesuffix("\n"))
        return len(text)


@contextmanager
def beside() -> "Generator[None]":
    """Let `print` write beside the work, until its end."""
    own = sys.stdout, sys.stderr
    both: Any = Beside(own[0]), Beside(own[1])
    sys.stdout, sys.stderr = both
    try:
        yield
    finally:
        sys.stdout, sys.stderr = own
        close()


_streams: dict[int, Stream] = {}


def of(stream: "TextIO") -> Stream:
    """Return the writer of a stream, one for all that print to it."""
    return _streams.setdefault(id(stream), Stream(stream))


def close() -> None:
    """Write what waits. Standard error comes last, as it may report a failure of standard output."""
    for stream in (sys.stdout, sys.stderr):
        writer = _streams.pop(id(stream), None)
        if writer is not None:
            writer.close()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            discard(stream)


def discard(stream: "TextIO") -> None:
    """Let flushing at exit neither wait for a slow reader nor fail without one (`| head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
