"""`Pinger`: rows as they come, a summary at any time, and runs without an end in constant memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TypeAlias

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
        return [] if ping.number == 1 else [Reply(), Reply(), Reply(far.received[0].payload)]

    with FarEnd(script) as far:
        pinger = udpping.Pinger(*far.address, count=2, timeout=2, linger=2)
        seen = [(row.seq, row.status, row.copies) for row in pinger]
        run = pinger.run()
    assert seen == [(1, "timeout", 0), (2, "reply", 1), (2, "reply", 2), (1, "late", 1)]
    assert statuses(run) == ["late", "reply"]
    assert pinger.missed_rows == 0


def test_it_has_the_run_and_summary_of_ping() -> None:
    with udpping.Server(port=0, loss="pattern:.x", seed=1) as server:
        pinger = udpping.Pinger(*server.address, count=4, interval=0.01, timeout=3, linger=0)
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
            wait_until(lambda: pinger.summary.received >= 4)
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
        sent = pinger.summary.sent + pinger.summary.pending
        assert len(far.wait(sent)) == sent


@pytest.mark.untimed
def test_a_run_without_an_end_keeps_all_counts_and_the_last_rows() -> None:
    with udpping.Server(port=0, loss="every:10", reply="same") as server:
        pinger = udpping.Pinger(*server.address, count=None, interval=4e-6, timeout=0.05)
        with pinger:
            wait_until(lambda: pinger.summary.sent > 150_000, 120)
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
    with udpping.Pinger("127.0.0.1", free_port(), count=None, timeout=1.5) as pinger:
        rows = [next(pinger) for _ in range(3)]
    assert [row.status for row in rows] == ["unreachable"] * 3
    assert time.monotonic() - began >= 3


Target: TypeAlias = "str | tuple[str, int] | udpping.Target | udpping.Server"
Targets: TypeAlias = "Target | list[Target]"


def endless(
    targets: Targets, *, interval: float = 0.01, timeout: float = 5, keep: int | None = None
) -> udpping.Pinger:
    return udpping.Pinger(targets, count=None, interval=interval, timeout=timeout, keep=keep)


def received(pinger: udpping.Pinger) -> dict[str, int]:
    return {summary.target: summary.received for summary in pinger.so_far().summaries}


def name_of(server: udpping.Server, more: str = "") -> str:
    host, port = server.address
    return f"{host}:{port}{more}"


@pytest.mark.parametrize("form", ["text", "pair", "server", "target", "list"])
def test_a_target_is_given_in_any_form(form: str) -> None:
    with udpping.Server(port=0) as server:
        host, port = server.address
        forms: dict[str, Targets] = {
            "text": f"{host}:{port}",
            "pair": (host, port),
            "server": server,
            "target": udpping.Target(host, port),
            "list": [server],
        }
        pinger = udpping.Pinger(forms[form], count=2, timeout=5)
        run = pinger.run()
    assert statuses(run) == ["reply"] * 2
    assert run.targets == (f"{host}:{port}",)
    assert run.summary.foreign == 0


def test_targets_come_and_go_while_the_pings_go_on() -> None:
    with udpping.Server(port=0) as near, udpping.Server(port=0) as far, endless([near]) as pinger:
        wait_until(lambda: pinger.summary.received >= 3)
        pinger.add(far)
        wait_until(lambda: received(pinger).get(name_of(far), 0) >= 3)
        pinger.remove(near)
        wait_until(lambda: pinger.so_far().summaries[0].pending == 0)
        before = received(pinger)
        wait_until(lambda: received(pinger)[name_of(far)] >= before[name_of(far)] + 5)
        assert received(pinger)[name_of(near)] == before[name_of(near)] == near.counters.received
        pinger.add(near)
        wait_until(lambda: received(pinger)[name_of(near)] >= before[name_of(near)] + 3)
        run = pinger.so_far()
        pinger.stop()
    seqs = [row.seq for row in run if row.target == name_of(near)]
    assert seqs == list(range(1, len(seqs) + 1))
    assert {row.target for row in pinger} <= {name_of(near), name_of(far)}
    assert run.summary.sent == sum(summary.sent for summary in run.summaries)
    assert (run.summary.lost, run.summary.foreign) == (0, 0)


def test_rows_summaries_and_targets_of_a_run_are_of_one_moment() -> None:
    with udpping.Server(port=0, loss=0.5) as server, endless([server], interval=0.001, timeout=0.2) as pinger:
        host, port = server.address

        def add() -> None:
            for size in range(100, 300):
                pinger.add(udpping.Target(host, port, size=size))

        adding = threading.Thread(target=add)
        adding.start()
        runs = [pinger.so_far()]
        while adding.is_alive():
            runs.append(pinger.so_far())
        adding.join()
    assert len({len(run.summaries) for run in runs}) > 1
    for run in runs:
        rows = Counter(row.target for row in run)
        assert {summary.target: summary.sent for summary in run.summaries if summary.sent} == rows
        assert run.targets == tuple(summary.target for summary in run.summaries)
        assert run.summary.sent == rows.total()


def test_a_run_without_targets_waits_for_others_if_it_has_no_end() -> None:
    with udpping.Server(port=0) as server, endless(server) as pinger:
        assert next(pinger).seq == 1
        pinger.remove(server)
        wait_until(lambda: pinger.summary.pending == 0)
        with pytest.raises(udpping.ConfigError, match="one that is pinged"):
            pinger.remove(server)
        sent = pinger.summary.sent
        pinger.add(server)
        wait_until(lambda: pinger.summary.sent >= sent + 3)
    list(pinger)
    with pytest.raises(udpping.ConfigError, match="a run that goes on"):
        pinger.add(server)


def test_two_targets_at_one_address_have_their_own_rows() -> None:
    with udpping.Server(port=0) as server:
        low, high = (udpping.Target(*server.address, dscp=dscp) for dscp in (8, 46))
        long = udpping.Target(*server.address, dscp=46, size=400)
        with udpping.Pinger([low, high], count=5, interval=0.01, timeout=5) as pinger:
            pinger.add(long)
            run = pinger.run()
        assert server.counters.received == 15
    names = [name_of(server, more) for more in (" dscp=8", " dscp=46", " dscp=46 size=400")]
    assert [summary.target for summary in run.summaries] == names
    for summary in run.summaries:
        assert (summary.sent, summary.received, summary.duplicates) == (5, 5, 0)
    for name, size in zip(names, (None, None, 400), strict=True):
        rows = [row for row in run if row.target == name]
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
        assert size is None or {row.bytes for row in rows} == {size}


def test_what_is_no_other_target_is_refused_and_the_others_go_on() -> None:
    with udpping.Server(port=0) as server, endless(server) as pinger:
        host, port = server.address
        refused: dict[Target, str] = {
            server: "each address once, or with a size= or dscp= of its own",
            udpping.Target(host, port, dscp=64): "dscp 64 is not usable: expected 0 to 63",
            udpping.Target(host, port, size=3): "size 3 is not usable",
            (host, 0): "port 0 is not usable",
            "nobody:x": "expected a port from 1 to 65535",
        }
        for target, error in refused.items():
            with pytest.raises(udpping.ConfigError, match=error) as caught:
                pinger.add(target)
            assert "\n" not in str(caught.value)
        with pytest.raises(udpping.AddressError):
            pinger.add("no-such-host.invalid")
        pinger.add(udpping.Target(host, port, dscp=1))
        wait_until(lambda: len(received(pinger)) == 2 and min(received(pinger).values()) >= 3)
    assert pinger.summary.lost == 0


def test_names_are_looked_up_again_and_errors_end_nothing() -> None:
    with udpping.Server("localhost", port=0) as server, endless(("localhost", server.address[1])) as pinger:
        wait_until(lambda: pinger.summary.received >= 3)
        assert pinger.resolve() == {}
        sent = pinger.summary.sent
        wait_until(lambda: pinger.summary.received >= sent + 3)
    assert pinger.summary.lost == 0


def test_rows_kept_are_an_option_of_runs_without_an_end() -> None:
    with udpping.Server(port=0) as server, endless(server, interval=0.0005, keep=50) as pinger:
        wait_until(lambda: pinger.summary.received >= 300)
        # Where replies were waited for, what they settled goes with the pings after them.
        wait_until(lambda: len(pinger.so_far()) <= 50 + 13)
        run = pinger.so_far()
        assert 50 - run.summary.pending <= len(run)
    assert run.settings["keep"] == 50
    for keep, count in ((15, None), (1_000_001, None), (100, 3)):
        with pytest.raises(udpping.ConfigError, match="keep"):
            udpping.Pinger("127.0.0.1", count=count, keep=keep)


def test_two_hundred_targets_are_pinged_at_once_and_kept_apart() -> None:
    with udpping.Server("127.0.0.1", port=0) as server:
        port = server.address[1]
        with endless([(f"127.0.0.{last}", port) for last in range(1, 3)], interval=0.2) as pinger:
            for size in range(60, 258):
                pinger.add(udpping.Target("127.0.0.1", port, size=size))
            wait_until(lambda: sum(many >= 2 for many in received(pinger).values()) >= 199, 30)
            run = pinger.so_far()
    assert len(run.summaries) == 200
    for summary in run.summaries[2:]:
        size = int(summary.target.rpartition("=")[2])
        assert {row.bytes for row in run if row.target == summary.target} == {size}
