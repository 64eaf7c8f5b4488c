"""`live`: a run that shows itself while it is measured."""

import sys
from time import monotonic

from udpping import _checks
from udpping._session import SLICE, Session
from udpping._targets import DEFAULT_PORT
from udpping._words import percents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TextIO, Unpack

    from udpping._run import Run
    from udpping.aio import Options

    class Screen(Protocol):
        """Where a run is shown, and how many of its latest rows that takes while it goes on."""

        rows: int

        def show(self, run: Run) -> None: ...
        def close(self) -> None: ...


ROWS = 10_000
"""Rows in the picture of a run that goes on: drawing more takes the time that its pings need."""
SHARE = 20
"""One part in so many of the time goes into showing, at most."""


def live(
    host: str = "localhost", port: int = DEFAULT_PORT, *, every: float = 0.5, **options: "Unpack[Options]"
) -> "Run":
    """Ping as `udpping.ping` does, and show the run so far, anew every `every` seconds.

    In a notebook that is the run as its last cell would show it: summary, picture, rows (of a long run the
    latest 10,000, until its end). In a terminal it is one line, or tqdm's bar where tqdm is installed;
    anywhere else nothing. It is shown less often where showing it takes long.
    Ctrl-C, or the notebook's stop button, ends the run and gives back what was measured until then. The
    keywords are those of `udpping.ping`, and so are the errors.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     run = udpping.live(*server.address, count=3)
    >>> run.summary.received
    3
    """
    pause = _checks.seconds("every", every)
    if not 0.05 <= pause <= 3600:  # noqa: PLR2004 - said in the next line
        raise _checks.refuse("every", every, "0.05 to 3600 seconds")
    session = Session([(host, port)], **options)
    screen = _screen(options.get("count", 10))
    try:
        session.start()
        due = monotonic() + pause
        while not session.wait(SLICE):
            if (began := monotonic()) >= due:
                run = session.run(screen.rows)
                # However much there is to show, measuring comes first.
                due = began + max(pause, SHARE * (monotonic() - began))
                screen.show(run)
    except KeyboardInterrupt:
        # It may come while the run is shown, too; what was measured until then is the result.
        session.stop()
    finally:
        session.stop()
    run = session.finish()
    screen.show(run)
    screen.close()
    return run


def _screen(count: int) -> "Screen":
    if in_notebook():
        return NotebookScreen()
    if not sys.stderr.isatty():
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


class NoScreen:
    """Nobody looks."""

    rows = 0

    def show(self, run: "Run") -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


class NotebookScreen:
    """A cell's output that changes."""

    rows = ROWS

    def __init__(self) -> None:
        self._handle: object = None

    def show(self, run: "Run") -> None:
        """Put the run in the place of the last one."""
        if self._handle is None:
            from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

            self._handle = display(run, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(run)  # type: ignore[attr-defined]

    def close(self) -> None:
        """Leave it there."""


class Line:
    """One line of a terminal, written over again and again."""

    rows = 0

    def __init__(self, stream: "TextIO", count: int) -> None:
        self._stream, self._count = stream, count

    def show(self, run: "Run") -> None:
        """Write the line anew."""
        self._stream.write(f"\r\x1b[K{run.summary.sent:,} of {self._count:,}: {facts(run)}")
        self._stream.flush()

    def close(self) -> None:
        """Go to the next line."""
        self._stream.write("\n")
        self._stream.flush()


class Bar:
    """tqdm's bar."""

    rows = 0

    def __init__(self, bar: "object") -> None:
        self._bar = bar

    def show(self, run: "Run") -> None:
        """Move it on."""
        self._bar.n = run.summary.sent  # type: ignore[attr-defined]
        self._bar.set_postfix_str(facts(run))  # type: ignore[attr-defined]

    def close(self) -> None:
        """Leave it there."""
        self._bar.close()  # type: ignore[attr-defined]


def facts(run: "Run") -> str:
    """Say how it goes, in a few words."""
    summary = run.summary
    loss = ""
    if summary.loss is not None and summary.loss_low is not None and summary.loss_high is not None:
        loss = f" ({percents(summary.loss, summary.loss_low, summary.loss_high)[0]} %)"
    median = "" if summary.rtt_median_ns is None else f", median {summary.rtt_median_ns / 1e6:.3f} ms"
    return f"{summary.lost:,} lost{loss}{median}"
