"""`live`: shows a run while it is measured."""

import sys
import warnings
from contextlib import suppress
from os import get_terminal_size
from time import monotonic

import udpping
from udpping._args.durations import seconds
from udpping._args.options import COUNT, PROTOCOL, known, port_of
from udpping._args.targets import sole_target
from udpping._services.service import SLICE
from udpping._services.session import Session
from udpping._table.text import WIDTH, loss_percents
from udpping.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TextIO, Unpack

    from udpping._args.durations import Duration
    from udpping._args.options import PingOptions
    from udpping._args.targets import AnyTarget
    from udpping._results.run import Run

    class Screen(Protocol):
        """Shows a run; while it goes on, it needs only this many of its latest rows."""

        rows: int

        def show(self, run: Run) -> None: ...
        def close(self) -> None: ...


SHOW = 50_000_000, 3_600 * 10**9
"""The least and the most nanoseconds between two views of a run."""
ROWS = 10_000
"""Rows in the picture of a running run: drawing more would delay its pings."""
SHARE = 20
"""Showing takes at most one part in this many of the time."""


def live(
    host: "AnyTarget" = "localhost",
    port: int | None = None,
    *,
    every: "Duration" = 0.5,
    **options: "Unpack[PingOptions]",
) -> "Run":
    """Ping as `udpping.ping` does, and show the run so far, anew every so often (50 ms to 1 hour).

    In a notebook that is the run as its last cell would show it: summary, picture, rows (of a long run the
    latest 10,000, until its end). In a terminal it is one line, or tqdm's bar where tqdm is installed;
    anywhere else nothing. It is shown less often where showing it takes long.
    Ctrl-C, or the notebook's stop button, ends the run and gives back what was measured until then; it is in
    `udpping.last_run` too. What cannot be shown is measured all the same, with a RuntimeWarning at the end.
    The keywords are those of `udpping.ping`, and so are the errors. In a notebook give the run a name,
    `run = udpping.live(...)`: else the cell shows it once more, as its result.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.live(*server.address, count=3)
    >>> run.summary.received
    3
    """
    pause = seconds("every", every, SHOW)
    known("live", options, ["every"])
    default = port_of(options.get("protocol", PROTOCOL))
    session = Session([sole_target(host, port, default=default)], options)
    screen = Careful(_screen(options.get("count", COUNT)))
    stopped = False
    try:
        session.start()
        due = monotonic() + pause
        while not session.wait(SLICE):
            if (began := monotonic()) >= due:
                run = session.run(screen.rows)
                # The longer showing takes, the rarer it is, so that it does not delay pings.
                due = began + max(pause, SHARE * (monotonic() - began))
                screen.show(run)
    except KeyboardInterrupt:
        # It may come while the run is shown, too; the result is the run until then.
        stopped = True
    finally:
        session.stop()
    try:
        run = session.finish()
    except Interrupted as again:
        run = again.run
    if stopped:
        udpping.last_run = run
    with suppress(KeyboardInterrupt):
        screen.show(run)
        screen.close()
    if screen.error is not None:
        udpping.last_run = run
        words = f"the run is whole, but could not be shown: {screen.error!r}"
        warnings.warn(words, RuntimeWarning, stacklevel=2)
    return run


def _screen(count: int) -> "Screen":
    if in_notebook():
        return NotebookScreen()
    # It is None in a program without a console.
    if sys.stderr is None or not sys.stderr.isatty():  # pyright: ignore[reportUnnecessaryComparison]
        return NoScreen()
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return Line(sys.stderr, count)
    return Bar(tqdm(total=count, unit="ping"))


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, which can show pictures."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class Careful:
    """Stops showing after an error, such as a closed terminal; measuring goes on."""

    def __init__(self, screen: "Screen") -> None:
        self._screen = screen
        self.rows = screen.rows
        self.error: Exception | None = None
        """The first error, after which no run is shown."""

    def show(self, run: "Run") -> None:
        """Show the run, unless that failed before."""
        if self.error is None:
            try:
                self._screen.show(run)
            except Exception as error:  # noqa: BLE001 - of whatever kind
                self.error = error

    def close(self) -> None:
        """End the display; keep an error."""
        try:
            self._screen.close()
        except Exception as error:  # noqa: BLE001 - of whatever kind
            self.error = self.error or error


class NoScreen:
    rows = 0

    def show(self, run: "Run") -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class NotebookScreen:
    rows = ROWS

    def __init__(self) -> None:
        self._handle: object = None

    def show(self, run: "Run") -> None:
        """Replace the shown run."""
        if self._handle is None:
            from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

            self._handle = display(run, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(run)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Leave the last run shown."""


class Line:
    """One line of a terminal, which each update overwrites."""

    rows = 0

    def __init__(self, stream: "TextIO", count: int) -> None:
        self._stream, self._count, self._last = stream, count, 0

    def show(self, run: "Run") -> None:
        """Overwrite the line, cut at the width of the terminal: a wrapped line could not be overwritten."""
        try:
            wide = get_terminal_size(self._stream.fileno()).columns or WIDTH
        except (OSError, ValueError):
            wide = WIDTH
        line = f"{run.summary.sent:,} of {self._count:,}: {facts(run)}"[: wide - 1]
        # Spaces instead of an escape sequence, which some terminals do not support.
        self._stream.write(f"\r{line:{min(self._last, wide - 1)}}")
        self._stream.flush()
        self._last = len(line)

    def close(self) -> None:
        self._stream.write("\n")
        self._stream.flush()


class Bar:
    rows = 0

    def __init__(self, bar: "object") -> None:
        self._bar = bar

    def show(self, run: "Run") -> None:
        self._bar.n = run.summary.sent  # type: ignore[attr-defined]
        self._bar.set_postfix_str(facts(run))  # type: ignore[attr-defined]

    def close(self) -> None:
        self._bar.close()  # type: ignore[attr-defined]


def facts(run: "Run") -> str:
    summary = run.summary
    shares = loss_percents(summary)
    loss = f" ({shares[0]} %)" if shares else ""
    median = "" if summary.rtt_median_ns is None else f", median {summary.rtt_median_ns / 1e6:.3f} ms"
    return f"{summary.lost:,} lost{loss}{median}"
