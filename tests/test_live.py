"""A run that shows itself: in a terminal, in a pipe, in a notebook; and what was measured is never lost."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from typing import Any

import pytest
import udpping
from udpping.testing import FarEnd

pytestmark = pytest.mark.python

PROGRAM = """
import udpping
{before}
run = udpping.live("127.0.0.1", {port}, count={count}, interval=0.02, timeout=20, every=0.05)
print(len(run), run.summary.received)
"""
NO_TQDM = "import sys; sys.modules['tqdm'] = None"


def in_terminal(code: str, stop_at: re.Pattern[bytes] | None = None, columns: int = 100) -> tuple[str, str]:
    """Run a program whose errors go to a terminal; gives back what it printed there and elsewhere."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, columns))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as program:
        os.close(theirs)
        shown = b""
        end = time.monotonic() + 120
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 4096)
                except OSError:
                    break
            if stop_at is not None and stop_at.search(shown):
                program.send_signal(signal.SIGINT)
                stop_at = None
        assert program.stdout is not None
        out = program.stdout.read()
    os.close(ours)
    assert program.returncode == 0, shown
    return shown.decode(), out


def test_a_terminal_shows_one_line_that_changes() -> None:
    with FarEnd() as far:
        shown, out = in_terminal(PROGRAM.format(before=NO_TQDM, port=far.address[1], count=100))
    counts = [int(count) for count in re.findall(r"\r(\d+) of 100: 0 lost", shown)]
    assert len(counts) > 2
    assert counts == sorted(counts)
    assert counts[-1] == 100
    assert shown.count("\n") == 1
    assert out == "100 100\n"
    assert "\x1b" not in shown


def test_a_line_ends_before_a_narrow_terminal_does() -> None:
    with FarEnd() as far:
        shown, out = in_terminal(PROGRAM.format(before=NO_TQDM, port=far.address[1], count=100), columns=20)
    lines = shown.removesuffix("\r\n").split("\r")[1:]
    assert len(lines) > 2
    assert lines[-1] == "100 of 100: 0 lost (0.0 %), median"[:19]
    assert max(map(len, lines)) == 19
    assert out == "100 100\n"


def test_a_terminal_that_goes_away_costs_no_data() -> None:
    before = f"{NO_TQDM}; import os, warnings; warnings.simplefilter('ignore')"
    gone = "\nimport threading; threading.Timer(0.3, os.close, [2]).start()"
    with FarEnd() as far:
        _, out = in_terminal(PROGRAM.format(before=before + gone, port=far.address[1], count=60))
    assert out == "60 60\n"


def test_tqdm_shows_its_bar_where_it_is_installed() -> None:
    pytest.importorskip("tqdm", reason="no tqdm here")
    with FarEnd() as far:
        shown, out = in_terminal(PROGRAM.format(before="", port=far.address[1], count=20))
    assert "20/20" in shown
    assert "0 lost (0.0 %), median" in shown
    assert out == "20 20\n"


def test_a_stopped_run_is_given_back() -> None:
    with FarEnd() as far:
        shown, out = in_terminal(
            PROGRAM.format(before=NO_TQDM, port=far.address[1], count=100_000),
            stop_at=re.compile(rb"[1-9] of 100,000: 0 lost"),
        )
    rows, received = map(int, out.split())
    assert 0 < received <= rows < 100_000
    assert f"{rows:,} of 100,000" in shown


def test_ctrl_c_while_it_is_shown_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        """Ctrl-C comes with the first reply."""

        rows = 0
        shown = 0

        def show(self, run: udpping.Run) -> None:
            self.shown += bool(run.summary.received)
            if self.shown == 1:
                raise KeyboardInterrupt

        def close(self) -> None:
            pass

    def screen(_count: int) -> Terminal:
        return Terminal()

    monkeypatch.setattr("udpping._live._screen", screen)
    with FarEnd() as far:
        run = udpping.live("127.0.0.1", far.address[1], count=100_000, interval=0.01, every=0.05)
    assert 0 < run.summary.received < 100_000
    assert udpping.last_run is run


@pytest.mark.parametrize("at", ["show", "close"])
def test_what_cannot_be_shown_is_measured_all_the_same(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    class Terminal:
        """It breaks."""

        rows = 0
        shown = 0

        def show(self, _run: udpping.Run) -> None:
            self.shown += 1
            assert self.shown == 1 or at == "close", "nothing more is shown"
            if at == "show":
                raise OSError("it is gone")

        def close(self) -> None:
            if at == "close":
                raise OSError("it is gone")

    def screen(_count: int) -> Terminal:
        return Terminal()

    monkeypatch.setattr("udpping._live._screen", screen)
    monkeypatch.setattr(udpping, "last_run", None)
    with FarEnd() as far, pytest.warns(RuntimeWarning, match="is whole, but could not be shown: OSError"):
        run = udpping.live("127.0.0.1", far.address[1], count=20, interval=0.01, timeout=20, every=0.05)
    assert run.summary.received == len(run) == 20
    assert udpping.last_run is run


def test_nothing_is_shown_to_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    with FarEnd() as far:
        run = udpping.live("127.0.0.1", far.address[1], count=5, interval=0.05, timeout=20, every=0.05)
    assert run.summary.received == 5
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("every", [0, 0.04, 3601, float("nan"), "x", True])
def test_what_is_no_pause_is_refused(every: Any) -> None:  # noqa: ANN401 - of any type
    with pytest.raises(udpping.ConfigError, match="every"):
        udpping.live(every=every)


def test_keywords_are_those_of_ping() -> None:
    with pytest.raises(udpping.ConfigError, match="count"):
        udpping.live(count=0)
