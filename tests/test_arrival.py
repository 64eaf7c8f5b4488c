"""The order in which replies came: a run stores it, files keep it, and statistics go by it."""

from __future__ import annotations

import itertools
import pickle
import random
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import udp_socket, wait_until
from udpping import stats

if TYPE_CHECKING:
    from collections.abc import Callable

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
pytest.importorskip("pandas")

DATA = Path(__file__).parent / "data"

FORMS: dict[str, Callable[[udpping.Run], object]] = {
    "run": lambda run: run,
    "csv": lambda run: udpping.load(run.to_csv()),
    "csv with metadata": lambda run: udpping.load(run.to_csv(metadata=True)),
    "json": lambda run: udpping.load(run.to_json()),
    "pickle": lambda run: pickle.loads(pickle.dumps(run)),  # noqa: S301
    "pyarrow": pa.table,
    "polars": pl.DataFrame,
    "pandas": lambda run: run.to_pandas(),
    "columns": lambda run: {name: run[name].to_list() for name in run.column_names},
    "rows, shuffled": lambda run: random.Random(1).sample(list(run), len(run)),
}


@pytest.fixture(scope="module", params=["first in, first out", "overtaking"])
def run(request: pytest.FixtureRequest) -> udpping.Run:
    """Send trains, so that several replies come with one receive."""
    delay = "0ms" if request.param == "first in, first out" else "uniform:0ms,20ms"
    with udpping.Server(port=0, delay=delay) as server:
        run = udpping.ping(
            *server.address, count=5_000, schedule="train:10", interval=0.0002, timeout=10, linger=0
        )
    assert run.summary.received > 4_000
    assert bool(run.summary.reordered) == (request.param == "overtaking")
    return run


def came(run: udpping.Run) -> list[udpping.Row]:
    return sorted((row for row in run if row.status == "reply"), key=lambda row: row.arrival or 0)


def jitters(rows: list[udpping.Row]) -> list[float]:
    """Compute the jitter of RFC 3550 after each reply but the first."""
    found, now = [], 0.0
    for one, two in itertools.pairwise(rows):
        now += (abs((two.rtt_ns or 0) - (one.rtt_ns or 0)) - now) / 16
        found.append(now)
    return found


def test_every_reply_has_its_place(run: udpping.Run) -> None:
    places = [row.arrival for row in run if row.copies]
    assert sorted(place or 0 for place in places) == list(range(1, len(places) + 1))
    assert all(row.arrival is None for row in run if not row.copies)
    if not run.summary.reordered:
        assert places == sorted(places, key=lambda place: place or 0)


@pytest.mark.parametrize("form", FORMS)
def test_live_and_loaded_runs_have_the_same_order(run: udpping.Run, form: str) -> None:
    table = FORMS[form](run)
    rows = came(run)
    latest, overtaken = 0, 0
    for row in rows:
        overtaken += row.seq < latest
        latest = max(latest, row.seq)
    found = stats.reordering(table)
    assert found == stats.reordering(run)
    assert (found.received, found.reordered) == (len(rows), overtaken)
    assert found.reordered == run.summary.reordered
    jitter, expected = stats.jitter(table), jitters(rows)
    assert (jitter.count, jitter.last_ns, jitter.max_ns) == (len(expected), expected[-1], max(expected))
    assert jitter.mean_ns == pytest.approx(sum(expected) / len(expected), rel=1e-12)
    digest = stats.Digest(table)
    assert (digest.reordering(), digest.jitter()) == (found, jitter)
    if isinstance(table, udpping.Run):
        same = ("reordered", "received", "rtt_avg_ns", "rtt_stddev_ns", "rtt_median_ns", "rtt_p99_ns")
        told, live = table.summary.as_dict(), run.summary.as_dict()
        assert {name: told[name] for name in same} == {name: live[name] for name in same}


def test_parquet_keeps_the_order(run: udpping.Run, tmp_path: Path) -> None:
    run.to_parquet(tmp_path / "run.parquet")
    loaded = udpping.load(tmp_path / "run.parquet")
    assert loaded["arrival"].to_list() == run["arrival"].to_list()
    assert (stats.reordering(loaded), stats.jitter(loaded)) == (stats.reordering(run), stats.jitter(run))


def test_a_file_from_before_the_column_has_its_order_from_the_times(run: udpping.Run) -> None:
    columns = {name: run[name].to_list() for name in run.column_names if name != "arrival"}
    # What came after this column is younger than that.
    later = len(run.column_names) - run.column_names.index("arrival")
    old = [line.rsplit(",", later)[0] for line in run.to_csv().splitlines()]
    loaded = udpping.load("\n".join(old))
    assert set(loaded["arrival"].to_list()) == {None}
    found = stats.reordering(loaded)
    assert found == stats.reordering(columns)
    assert found.reordered == loaded.summary.reordered
    # Replies that came by one receive have one time; in what order they came is not known any more.
    assert (found.reordered > 0) == ((run.summary.reordered or 0) > 0)


def test_runs_with_and_without_the_column_may_stand_in_one_file(run: udpping.Run) -> None:
    own, lines = str(run.row(0).run), run.to_json().splitlines()
    old = "".join(line.replace(own, "7").rpartition(',"arrival"')[0] + "}\n" for line in lines)
    both = udpping.load(old + run.to_json())
    assert both["arrival"].null_count == run["arrival"].null_count + len(run)
    parts = [stats.reordering(udpping.load(old)), stats.reordering(run)]
    assert stats.reordering(both).reordered == both.summary.reordered == sum(part.reordered for part in parts)
    assert stats.jitter(both).count == 2 * stats.jitter(run).count


def test_late_replies_have_a_place_and_copies_have_none() -> None:
    with udp_socket() as far:
        far.bind(("127.0.0.1", 0))
        with udpping.Pinger(far.getsockname(), count=6, interval=0.02, timeout=3, linger=60) as pinger:
            pings = [far.recvfrom(2048) for _ in range(6)]

            def answer_twice(*numbers: int) -> None:
                for datagram, client in (pings[number - 1] for number in numbers for _ in range(2)):
                    far.sendto(datagram, client)

            answer_twice(2, 4, 6, 3)
            wait_until(lambda: pinger.summary.lost == 2)
            answer_twice(1)
            wait_until(lambda: (pinger.summary.late, pinger.summary.duplicates) == (1, 5))
        run = pinger.run()
    assert [row.status for row in run] == ["late", *["reply"] * 3, "timeout", "reply"]
    assert [row.arrival for row in run] == [5, 1, 4, 2, None, 3]
    assert [row.copies for row in run] == [2, 2, 2, 2, 0, 2]
    assert stats.reordering(run).reordered == run.summary.reordered == 1
    assert udpping.load(run.to_csv()).summary.reordered == 1


def test_each_target_counts_its_own_replies_and_each_run_anew() -> None:
    with udpping.Server(port=0, delay="uniform:0ms,9ms") as one, udpping.Server(port=0, loss="1/2") as other:
        ping = partial(udpping.ping_many, [one, other], count=20, interval=0.001, timeout=2)
        runs = [ping(), ping()]
    for run in runs:
        for target in run.summaries:
            places = [row.arrival for row in run if row.target == target.target and row.copies]
            assert sorted(place or 0 for place in places) == list(range(1, target.received + 1))
    both = udpping.load("".join(run.to_csv() for run in runs))
    total = [stats.reordering(run).reordered for run in runs]
    assert stats.reordering(both).reordered == both.summary.reordered == sum(total)
    assert total == [run.summary.reordered for run in runs]


def test_the_simulation_numbers_its_replies_too() -> None:
    run = udpping.sim.ping(count=500, loss="10%", delay="uniform:0ms,50ms", interval=0.01, seed=4)
    rows = came(run)
    times = [(row.sent_ns or 0) + (row.rtt_ns or 0) for row in rows]
    assert times == sorted(times)
    assert len(rows) == run.summary.received
    assert stats.reordering(run).reordered == run.summary.reordered


def endless(server: udpping.Server) -> udpping.Pinger:
    return udpping.Pinger(server, count=None, keep=100, interval=0.0001, timeout=60)


def test_a_run_without_an_end_goes_on_counting_when_old_rows_are_gone() -> None:
    with udpping.Server(port=0) as server, endless(server) as pinger:
        wait_until(lambda: pinger.summary.received >= 2_000)
        run = pinger.so_far()
    places = [row.arrival or 0 for row in run]
    assert places == list(range(places[0], places[0] + len(places)))
    assert places[-1] == run.summary.received
    assert places[0] > 1_000
    assert stats.reordering(run).reordered == 0


PING = """\
PING a (192.0.2.1) 56(84) bytes of data.
64 bytes from 192.0.2.1: icmp_seq=1 ttl=64 time=1.00 ms
64 bytes from 192.0.2.1: icmp_seq=3 ttl=64 time=1.00 ms
64 bytes from 192.0.2.1: icmp_seq=3 ttl=64 time=1.20 ms (DUP!)
64 bytes from 192.0.2.1: icmp_seq=2 ttl=64 time=17.0 ms

--- a ping statistics ---
4 packets transmitted, 3 received, +1 duplicates, 25% packet loss, time 3004ms
"""


def test_the_lines_of_other_programs_are_in_the_order_of_arrival() -> None:
    run = udpping.load(PING)
    assert run["arrival"].to_list() == [1, 3, 2, None]
    assert stats.reordering(run).reordered == run.summary.reordered == 1
    assert stats.jitter(run).max_ns == 1_000_000
    fping = udpping.load("a : [1], 64 bytes, 1.00 ms\na : [0], 64 bytes, 9.00 ms\na : [2], timed out\n")
    assert fping["arrival"].to_list() == [2, 1, None]
    assert fping.summary.reordered == 1


def test_a_file_that_does_not_tell_the_order_has_none() -> None:
    run = udpping.load("a : 1.00 2.00 - 1.00\n")
    assert run["arrival"].to_list() == [None] * 4
    assert run.summary.reordered is None
    with pytest.raises(udpping.ConfigError, match="without arrival or sent_ns is not usable"):
        stats.reordering(run)
    assert stats.Digest(run).reordering() is None


def test_irtt_tells_when_its_client_received_each_reply() -> None:
    run = udpping.load(DATA / "irtt.json")
    assert [row.arrival for row in run if row.copies] == list(range(1, run.summary.received + 1))
    text = (DATA / "irtt.json").read_text()
    first = '"monotonic": 39144337'
    assert text.count(first) == 1
    overtaken = udpping.load(text.replace(first, '"monotonic": 60000000'))
    assert overtaken["arrival"].to_list()[:2] == [2, 1]
    assert overtaken.summary.reordered == stats.reordering(overtaken).reordered == 1
