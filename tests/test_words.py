"""What is shown of results: digits that mean something, names that do no harm, and never nothing."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios

import pytest
import udpping
from udpping import stats
from udpping._table.text import counted, percents, table_text, time_text, visible

pytestmark = [pytest.mark.python, pytest.mark.untimed]


def html_of(table: udpping.Table) -> str:
    """Show it as a notebook does."""
    return table._repr_html_()  # pyright: ignore[reportPrivateUsage]


def named(*targets: str) -> udpping.Run:
    """Make a run with targets of any name."""
    quoted = ['"' + target.replace('"', '""') + '"' for target in targets]
    return udpping.load(
        "target,seq,status,rtt_ns,copies\n" + "".join(f"{each},1,reply,5,1\n" for each in quoted)
    )


@pytest.mark.parametrize(
    ("lost", "of", "shown"),
    [
        (0, 1, ["0.0", "0.0", "79.3"]),
        (3, 10, ["30.0", "10.8", "60.3"]),
        (30, 1000, ["3.0", "2.1", "4.3"]),
        (9_871, 10**6, ["0.99", "0.97", "1.01"]),
        (200, 10**6, ["0.020", "0.017", "0.023"]),
        (0, 10**6, ["0.0000", "0.0000", "0.0004"]),
        (10**6, 10**6, ["100.0000", "99.9996", "100.0000"]),
    ],
)
def test_the_ends_of_an_interval_can_be_told_apart(lost: int, of: int, shown: list[str]) -> None:
    from udpping._core import wilson

    interval = wilson(lost, of)
    assert interval is not None
    assert percents(lost / of, *interval) == shown


def test_a_small_loss_of_many_pings_is_shown_as_one() -> None:
    run = udpping.sim.ping(count=100_000, loss="list:5,70000", seed=1)
    assert "2 of 100,000 lost (0.002 %; 95 % interval 0.001 to 0.007 %)" in repr(run)
    assert "0.002 % [0.001 to 0.007]".replace(" ", "\xa0") in html_of(run)
    assert "0.002" in repr(udpping.compare([run]))


def test_what_a_terminal_would_obey_is_spelled_out() -> None:
    assert visible("\x1b[2J\u202ecba\x00\ud800 \xe9\u05d0") == r"\x1b[2J\u202ecba\x00\ud800 " + "\xe9\u05d0"
    evil = "\x1b]0;title\x07\u202egnp.exe"
    run = named(evil, "b")
    for shown in (repr(run), html_of(run), repr(udpping.compare({evil: run})), html_of(named(evil))):
        assert r"\x1b]0;title\x07\u202egnp.exe" in shown
        assert all(character.isprintable() or character in "\n\xa0" for character in shown)


def test_a_long_name_leaves_room_for_the_numbers() -> None:
    name = "x" * 300
    lines = repr(udpping.compare({name: udpping.sim.ping(count=3), "b": udpping.sim.ping(count=3)})).split(
        "\n"
    )
    assert max(map(len, lines)) < 120
    assert name not in html_of(named(name))


def test_a_run_without_pings_says_so() -> None:
    empty = named()
    assert repr(empty) == "--- no target ---\nnothing sent"
    assert "<td>0</td>" in html_of(empty)
    assert "no target" in html_of(empty)


def test_an_answer_in_no_time_is_an_answer() -> None:
    html = html_of(udpping.sim.ping(count=20))
    assert "no reply in time" not in html
    assert "height: round trip, 0 to 0 ns" in html
    assert "all at one moment" in html
    assert "no reply in time" in html_of(udpping.sim.ping(count=20, loss=1))


@pytest.mark.parametrize(
    ("nanos", "shown"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (999_400, "999 µs"),
        (999_900, "1 ms"),
        (1_000_000, "1 ms"),
        (999_999_999, "1 s"),
        (19_900_000_000, "19.9 s"),
        (1_000_000_000_000, "16.7 min"),
        (86_400_000_000_000, "24.0 h"),
    ],
)
def test_a_time_has_three_digits_and_the_unit_for_them(nanos: int, shown: str) -> None:
    assert time_text(nanos) == shown


def test_each_picture_tells_its_own_longest_round_trip() -> None:
    runs = {"a": udpping.sim.ping(count=9, delay="90ms"), "b": udpping.sim.ping(count=9, delay="5ms")}
    html = udpping.compare(runs)._repr_html_()  # pyright: ignore[reportPrivateUsage]
    titles = re.findall(r"<title>(.*?)</title>", html)
    assert [title.split("; ")[1] for title in titles] == [
        "round trips up to 90.000 ms",
        "round trips up to 5.000 ms",
    ]
    # One scale for both.
    assert html.count("height: round trip, 0 to 90.000 ms") == 2


def test_a_long_run_says_how_long() -> None:
    html = html_of(udpping.sim.ping(count=100, interval=60, delay="5ms"))
    assert "across: 99.0 min" in html
    assert "100 pings in 99.0 min" in html


OUTAGE = "outage_ns", "ended"


def test_a_table_shows_its_ends_and_names_what_does_not_fit() -> None:
    run = udpping.sim.ping(count=100, loss="pattern:.x", delay="2ms", seed=1)
    assert repr(stats.loss_periods(run)) == table_text(stats.loss_periods(run))
    lines = repr(stats.loss_periods(run)).split("\n")
    assert lines[0] == "Table: 50 rows"
    assert lines[1].split() == ["run", "target", "seq", "start_ns", "length", "distance", *OUTAGE]
    assert [line.split()[2] for line in lines[2:]] == [
        *("2", "4", "6", "8", "10", "...", "92", "94", "96", "98", "100"),
    ]
    assert len({len(line) for line in lines[1:]}) == 1
    wide = repr(stats.rolling(run, pings=100)).split("\n")
    assert wide[0] == "Table: 1 row"
    assert max(map(len, wide)) <= 99
    shown = wide[1].split()
    others = " ".join(map(str.strip, wide[3:])).split(": ")[1].split(", ")
    assert [*shown, *others] == stats.rolling(run, pings=100).column_names
    assert f"and in {len(others)} more columns" in wide[3]
    assert repr(udpping.Server(port=0, record=True).log).startswith("Log: 0 rows\n  recv (UTC)  client")


def test_a_table_of_one_row_is_of_one_row() -> None:
    assert "<p>1 row</p>" in html_of(stats.loss_periods(udpping.sim.ping(count=3, loss="pattern:.x.")))


def test_a_column_shows_what_it_is() -> None:
    run = udpping.sim.ping(count=7, loss="pattern:.x.....", delay="2ms")
    assert repr(run["rtt_ns"]) == (
        "<udpping column rtt_ns: 7 values, 1 missing: [2000000, None, 2000000, 2000000, 2000000, ...]>"
    )
    assert repr(run["status"]) == (
        "<udpping column status: 7 values, 0 missing: ['reply', 'timeout', 'reply', 'reply', 'reply', ...]>"
    )
    assert repr(named()["seq"]) == "<udpping column seq: 0 values, 0 missing: []>"


def test_large_numbers_are_written_out() -> None:
    outage = repr(stats.loss_runs(udpping.sim.ping(count=300, interval=0.1, loss=1)))
    assert "longest_outage_ns     29,900,000,000\n  longest_outage_ended  no\n" in outage


PRINTED = "import udpping; print(udpping.sim.ping(count=30, loss='10%', delay='2ms'))"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_what_an_object_shows_fits_the_terminal(columns: int) -> None:
    here, there = os.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(here, "rb", 0) as terminal:
        subprocess.run([sys.executable, "-c", PRINTED], stdout=there, check=True, timeout=60)
        os.close(there)
        lines = terminal.read(65_536).decode().splitlines()
    rows = lines[lines.index("SimRun: 30 rows") :]
    assert max(map(len, rows)) <= columns
    assert rows[1].split()[:4] == ["seq", "sent", "(UTC)", "status"]
    assert ("target" in rows[1]) == (columns == 120)


def heights(html: str, kind: str) -> list[float]:
    (path,) = re.findall(rf'data-marks="{kind}".*? d="(.*?)"', html)
    return [float(y) for y in re.findall(r"M[-\d.]+ ([-\d.]+)", path)]


def test_late_replies_stand_at_their_time_above_the_timeout() -> None:
    run = udpping.sim.ping(count=20, interval=1, delay="uniform:50ms,150ms", timeout=0.1, seed=1)
    html = html_of(run)
    (timeout,) = heights(html, "timeout")
    latest = max(row.rtt_ns or 0 for row in run)
    expected = [66 - 60 * (row.rtt_ns or 0) / latest for row in run if row.status == "late"]
    assert heights(html, "late") == pytest.approx(expected, abs=0.06)
    assert timeout == pytest.approx(66 - 60 * 1e8 / latest, abs=0.06)
    assert max(heights(html, "late")) <= timeout <= min(heights(html, "reply"))
    assert "timeout 100 ms: dashes across" in html


def test_late_replies_far_above_the_others_stand_at_the_upper_edge() -> None:
    run = udpping.sim.ping(count=40, delay="lognormal:median=1ms,sigma=1.9", timeout=5e-3, linger=60, seed=2)
    html = html_of(run)
    assert set(heights(html, "late")) == {6.0}
    assert 'data-marks="timeout"' not in html
    assert "at the upper edge" in html
    assert "timeout 5 ms: above the picture" in html


def test_one_is_singular() -> None:
    assert "1 client, " in repr(udpping.sim.heartbeat(1, duration=9, seed=1))
    assert [counted(count, "duplicates") for count in (1, 2)] == ["1 duplicate", "2 duplicates"]
