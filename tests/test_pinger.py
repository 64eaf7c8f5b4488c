"""`Pinger`: rows as they come, a summary at any time, and runs without an end in constant memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time

import pytest
import udpping
from common import statuses, threads, wait_until
from udpping.testing import FarEnd, Received, Reply, free_port


def test_rows_come_while_the_run_goes_on() -> None:
    """The far end answers the next ping only after the row of the last one has been taken."""
    taken = 0
    gate = threading.Semaphore(1)

    def script(_: Received) -> Reply:
        assert gate.acquire(timeout=10)
        return Reply()

    with FarEnd(script) as far, udpping.Pinger(*far.address, count=5, timeout=10) as pinger:
        for row in pinger:
            taken += 1
            assert row.seq == taken
            assert row.status == "reply"
            assert pinger.summary.received == taken
            gate.release()
    assert taken == 5


def test_a_row_comes_again_when_a_late_reply_or_a_duplicate_changes_it() -> None:
    def script(ping: Received) -> list[Reply]:
        return [Reply(after=0.45)] if ping.number == 1 else [Reply(), Reply(after=0.05)]

    with FarEnd(script) as far:
        pinger = udpping.Pinger(*far.address, count=2, timeout=0.3, linger=0.5)
        seen = [(row.seq, row.status, row.copies) for row in pinger]
        run = pinger.run()
    assert seen == [(1, "timeout", 0), (2, "reply", 1), (2, "reply", 2), (1, "late", 1)]
    assert statuses(run) == ["late", "reply"]
    assert pinger.missed_rows == 0


def test_it_has_the_run_and_summary_of_ping() -> None:
    with udpping.Server(port=0, loss="pattern:.x", seed=1) as server:
        pinger = udpping.Pinger(*server.address, count=4, timeout=0.4)
        run = pinger.run()
    assert statuses(run) == ["reply", "timeout"] * 2
    assert pinger.summary.as_dict() == run.summary.as_dict()
    assert list(pinger) != []  # rows that nobody took are still there to take
    assert list(pinger) == []


def test_the_summary_can_be_asked_before_during_and_after() -> None:
    with FarEnd(2 * [Reply()]) as far:
        pinger = udpping.Pinger(*far.address, count=3, timeout=30)
        assert pinger.summary.sent == 0
        assert pinger.summary.loss is None
        with pinger:
            wait_until(lambda: pinger.summary.pending == 1 and pinger.summary.received == 2)
            assert (pinger.summary.sent, pinger.summary.lost) == (2, 0)
        run = pinger.run()
    assert (run.summary.sent, run.summary.pending) == (2, 1)
    assert statuses(run) == ["reply"] * 2


def test_stop_ends_the_iteration_also_from_another_thread() -> None:
    with FarEnd() as far:
        pinger = udpping.Pinger(*far.address, count=None, interval=0.01, timeout=5)

        def stop_soon() -> None:
            far.wait(5)
            pinger.stop()

        helper = threading.Thread(target=stop_soon)
        helper.start()
        rows = list(pinger)
        helper.join()
        pinger.stop()
    assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) >= 4


def test_leaving_the_block_stops_the_pings() -> None:
    with FarEnd() as far:
        with udpping.Pinger(*far.address, count=None, interval=0.005) as pinger:
            far.wait(3)
        wait_until(lambda: "udpping ping" not in threads())
        sent = len(far.received)
    assert pinger.summary.sent + pinger.summary.pending == sent


@pytest.mark.untimed
def test_a_run_without_an_end_keeps_all_counts_and_the_last_rows() -> None:
    with udpping.Server(port=0, loss="every:10", reply="same") as server:
        pinger = udpping.Pinger(*server.address, count=None, interval=4e-6, timeout=0.05)
        with pinger:
            wait_until(lambda: pinger.summary.sent > 150_000, 40)
        run = pinger.run()
    summary = run.summary
    assert summary.sent == summary.received + summary.lost > 150_000
    # What is lost is known later than what is answered, and more is late on a busy machine: the loss so far
    # says little. But one of ten was dropped, so at most nine of ten have an answer: none was counted twice.
    everything = summary.sent + summary.pending
    assert 0 < summary.received + summary.late <= everything - everything // 10
    assert summary.lost == summary.late + summary.timeouts + summary.unreachable + summary.errors > 0
    assert len(run) + summary.pending >= 65_536
    assert len(run) < summary.sent
    assert summary.quantile_error == 0.01
    seqs = [row.seq for row in run]
    assert seqs == sorted(seqs)
    rtts = (
        summary.rtt_min_ns,
        summary.rtt_median_ns,
        summary.rtt_p95_ns,
        summary.rtt_p99_ns,
        summary.rtt_max_ns,
    )
    floats = [float(rtt) for rtt in rtts if rtt is not None]
    assert len(floats) == 5
    assert all(low <= high * 1.02 for low, high in itertools.pairwise(floats))


MEMORY = """
import sys, time, udpping

def pages():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1])

with udpping.Server(port=0) as server:
    with udpping.Pinger(*server.address, count=None, interval=1e-6, timeout=0.2) as pinger:
        for sent in (200_000, 1_000_000):
            while pinger.summary.sent < sent:
                time.sleep(0.01)
            print(pages() * 4096)
"""


@pytest.mark.untimed
@pytest.mark.timeout(300)
def test_memory_is_the_same_after_200_000_pings_and_after_a_million() -> None:
    """With rows that nobody takes: neither the run, nor its rows to be taken, nor the server may grow."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=280
    )
    early, late = map(int, done.stdout.split())
    assert late < early + 10 * 2**20


def test_a_reader_who_is_slow_misses_rows_and_is_told_how_many() -> None:
    with udpping.Server(port=0) as server:
        pinger = udpping.Pinger(*server.address, count=70_000, interval=5e-6, timeout=1, linger=0)
        run = pinger.run()
    rows = list(pinger)
    assert len(rows) == 65_536
    assert pinger.missed_rows >= 70_000 - 65_536
    assert len(run) == 70_000


def test_an_abandoned_pinger_ends_its_thread() -> None:
    with FarEnd() as far:
        pinger = udpping.Pinger(*far.address, count=None, interval=0.01)
        assert next(iter(pinger)).seq == 1
        del pinger
        wait_until(lambda: "udpping ping" not in threads())


def test_a_closed_port_does_not_become_a_flood() -> None:
    """Without an end, pings to nobody keep the pace of the timeout."""
    began = time.monotonic()
    with udpping.Pinger("127.0.0.1", free_port(), count=None, timeout=0.1) as pinger:
        rows = [next(pinger) for _ in range(4)]
    assert [row.status for row in rows] == ["unreachable"] * 4
    assert time.monotonic() - began >= 0.3
