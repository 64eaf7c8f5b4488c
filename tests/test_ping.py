"""`ping` on real sockets: what becomes of each ping, and that nothing is ever taken for something else."""

from __future__ import annotations

import itertools
import math
import os
import random
import socket
import statistics
import threading
import time
from pathlib import Path

import pytest
import udpping
from common import statuses, wait_until
from udpping.testing import FarEnd, Received, Reply, free_port

LOOPBACK = "127.0.0.1"


@pytest.mark.parametrize("count", [3, 4, 5])
def test_a_late_reply_and_a_duplicate_are_counted_for_their_own_pings(count: int) -> None:
    """Ping 1 is answered when ping 2 comes, and ping 3 twice: no other ping gains or loses by it."""

    def script(ping: Received) -> list[Reply]:
        if ping.number == 1:
            return []
        late = [Reply(far.received[0].payload.upper())] if ping.number == 2 else []
        return [*late, *[Reply(ping.payload.upper())] * (2 if ping.number == 3 else 1)]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=count, timeout=2, linger=1.5)
        requests = far.received
    source = f"{LOOPBACK}:{far.address[1]}"
    assert [row.seq for row in run] == list(range(1, count + 1))
    assert statuses(run) == ["late"] + ["reply"] * (count - 1)
    assert [row.copies for row in run] == [1, 1, 2, 1, 1][:count]
    assert [row.match for row in run] == ["seq"] * count
    assert [row.source for row in run] == [source] * count
    assert [row.reply for row in run] == [request.payload.upper() for request in requests]
    assert [row.bytes for row in run] == [len(request.payload) for request in requests]
    assert len({row.stamp for row in run}) == 1
    assert all((row.rtt_ns or 0) <= (row.user_rtt_ns or 0) for row in run)
    assert [row.server_recv_ns for row in run] == [row.server_sent_ns for row in run] == [None] * count
    first, *others = run
    assert first.user_rtt_ns is not None
    assert first.user_rtt_ns >= 2e9
    assert all(row.user_rtt_ns is not None and row.user_rtt_ns < 2e9 for row in others)
    # Ping 2 left when ping 1 was given up, and none of the others waited as long.
    sent = [row.sent_ns or 0 for row in run]
    assert sent[1] >= 2e9
    assert all(after - before < 2e9 for before, after in itertools.pairwise(sent[1:]))
    summary = run.summary
    assert (summary.sent, summary.received, summary.lost) == (count, count - 1, 1)
    assert (summary.late, summary.timeouts, summary.duplicates) == (1, 0, 1)
    assert (summary.foreign, summary.unmatched, summary.unverified, summary.pending) == (0, 0, 0, 0)
    assert (summary.duration_ns or 0) >= sent[-1] + 1.5e9  # the last ping is settled, and then it lingers


def test_every_ping_ends_as_one_of_five_and_the_summary_adds_up() -> None:
    def script(ping: Received) -> Reply | None:
        if ping.number == 1:
            return None
        return Reply(far.received[0].payload) if ping.number == 2 else Reply()

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=5, timeout=2, linger=0)
    assert statuses(run) == ["late", "timeout", "reply", "reply", "reply"]
    summary = run.summary
    assert summary.sent == 5
    assert (
        summary.sent
        == summary.received + summary.late + summary.timeouts + summary.unreachable + summary.errors
    )
    assert summary.lost == summary.sent - summary.received == 2


def test_rtt_statistics_are_those_of_the_reply_rows_alone() -> None:
    def script(ping: Received) -> list[Reply]:
        late = [Reply(far.received[3].payload)] if ping.number == 5 else []
        return [] if ping.number == 4 else [*late, Reply(after=0.005 * (ping.number % 5))]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=20, timeout=2, linger=0)
    assert statuses(run) == ["late" if seq == 4 else "reply" for seq in range(1, 21)]
    rtts = [row.rtt_ns for row in run if row.status == "reply" and row.rtt_ns is not None]
    summary = run.summary
    assert (summary.rtt_min_ns, summary.rtt_max_ns) == (min(rtts), max(rtts))
    assert summary.rtt_avg_ns == pytest.approx(statistics.fmean(rtts))
    assert summary.rtt_median_ns == pytest.approx(statistics.median(rtts))
    assert summary.rtt_stddev_ns == pytest.approx(statistics.stdev(rtts))
    hundredths = statistics.quantiles(rtts, n=100, method="inclusive")
    assert summary.rtt_p95_ns == pytest.approx(hundredths[94])
    assert summary.rtt_p99_ns == pytest.approx(hundredths[98])
    assert summary.quantile_error == 0


def test_what_cannot_be_known_is_none() -> None:
    with FarEnd([]) as far:
        run = udpping.ping(*far.address, count=1, timeout=0.05)
    (row,) = run
    rtt, user_rtt, status, copies, *reply = row[6:]
    assert (rtt, user_rtt, status, copies) == (None, None, "timeout", 0)
    assert reply == [None] * 16
    assert run.summary.rtt_min_ns is None
    assert run.summary.rtt_stddev_ns is None
    assert run.summary.loss == 1


def test_the_loss_has_the_wilson_interval() -> None:
    with udpping.Server(port=0, loss="list:2,5,6") as server:
        summary = udpping.ping(*server.address, count=10, interval=0.002, timeout=2, linger=0).summary
    n, p, z = 10, 0.3, statistics.NormalDist().inv_cdf(0.975)
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert summary.loss == pytest.approx(p)
    assert summary.loss_low == pytest.approx((middle - spread) / (1 + z * z / n))
    assert summary.loss_high == pytest.approx((middle + spread) / (1 + z * z / n))


def test_a_closed_port_is_unreachable_at_once() -> None:
    run = udpping.ping(LOOPBACK, free_port(), count=3, timeout=20)
    assert statuses(run) == ["unreachable"] * 3
    assert [row.source for row in run] == [LOOPBACK] * 3
    assert [row.rtt_ns for row in run] == [None] * 3
    assert run.summary.unreachable == run.summary.lost == 3
    assert 0 < (run.summary.duration_ns or 0) < 10e9


@pytest.mark.parametrize("size", [None, 9_000, 65_507])
def test_each_of_many_pings_in_flight_gets_its_own_refusal(size: int | None) -> None:
    run = udpping.ping(LOOPBACK, free_port(), count=100, interval=0.0002, size=size, timeout=20)
    assert statuses(run) == ["unreachable"] * 100
    assert 0 < (run.summary.duration_ns or 0) < 10e9


def test_a_stranger_s_datagram_is_foreign_and_counts_for_nothing() -> None:
    def script(ping: Received) -> list[Reply]:
        copy = Reply(other_port=True)
        return [copy, copy] if ping.number == 1 else [copy, Reply(after=0.01)]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=2, timeout=2, linger=0)
    assert statuses(run) == ["timeout", "reply"]
    assert [row.copies for row in run] == [0, 1]
    assert run.summary.foreign == 3
    assert run.summary.unmatched == 0


def test_what_the_target_says_unasked_is_unmatched() -> None:
    def script(_: Received) -> list[Reply]:
        return [Reply(), Reply(b"by the way", after=0.05)]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=1, timeout=5, linger=2)
    assert statuses(run) == ["reply"]
    assert (run.summary.unmatched, run.summary.duplicates) == (1, 0)


def test_reordered_replies_are_counted_and_credited_right() -> None:
    """Pings 2 and 4 are answered when the next one has been."""

    def script(ping: Received) -> list[Reply]:
        if ping.number in {2, 4}:
            return []
        earlier = far.received[ping.number - 2 :] if ping.number > 1 else [ping]
        return [Reply(each.payload.upper()) for each in reversed(earlier)]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=5, interval=0.02, timeout=5)
    assert statuses(run) == ["reply"] * 5
    assert [row.reply for row in run] == [request.payload.upper() for request in far.received]
    assert run.summary.reordered == 2
    sent = [row.sent_ns or 0 for row in run]
    waits = [(later - earlier) for earlier, later in itertools.pairwise(sent)]
    assert all((run.row(at).user_rtt_ns or 0) > waits[at] for at in (1, 3))


def test_stop_and_wait_sends_the_next_when_the_last_is_settled() -> None:
    def script(ping: Received) -> Reply | None:
        return None if ping.number == 2 else Reply(after=0.1)

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=4, timeout=2, linger=0)
    assert statuses(run) == ["reply", "timeout", "reply", "reply"]
    sent = [row.sent_ns or 0 for row in run]
    gaps = [(later - earlier) / 1e9 for earlier, later in itertools.pairwise(sent)]
    bounds = [(0.1, 2), (2, 4), (0.1, 2)]
    assert all(least <= gap < most for gap, (least, most) in zip(gaps, bounds, strict=True))


def test_an_interval_is_kept_whatever_comes_back() -> None:
    delays: dict[int, int] = {}
    with (
        FarEnd(lambda ping: Reply() if ping.number % 2 else None) as far,
        udpping.Pinger(*far.address, count=None, interval=0.02, timeout=3) as pinger,
    ):
        for row in pinger:
            assert row.due_ns == (row.seq - 1) * 20_000_000
            assert row.status == ("reply" if row.seq % 2 else "timeout")
            delays[row.seq] = (row.sent_ns or 0) - (row.due_ns or 0)
            # Some may be late on a busy machine; another is on time again.
            if len(delays) >= 20 and 2 in delays and delays[row.seq] < 10e6:
                break
    assert min(delays.values()) >= 0
    assert max(delays.values()) < 2e9  # no ping waited for the one before


LINGERS = [
    # linger, answered after, expected status, duration
    (0, 4.5, "timeout", 3),
    (3, 4.5, "late", 6),
    (None, 4.5, "late", 4.5),
    (None, 0.05, "reply", 0.05),
    (3, 0.05, "reply", 3.05),
]


@pytest.mark.parametrize(("linger", "after", "status", "seconds"), LINGERS)
def test_linger_says_how_long_to_listen_when_all_is_sent(
    linger: float | None, after: float, status: str, seconds: float
) -> None:
    """`None` is the timeout while something is missing, and nothing when all has come."""
    virtual = udpping.sim.ping(count=1, timeout=3, linger=linger, delay=after)
    with FarEnd(Reply(after=after)) as far:
        run = udpping.ping(*far.address, count=1, timeout=3, linger=linger)
    assert statuses(virtual) == statuses(run) == [status]
    assert virtual.summary.duration_ns == seconds * 1e9
    # As exactly as a busy machine allows.
    assert seconds <= (run.summary.duration_ns or 0) / 1e9 < seconds + 2.5


def test_the_answering_thread_runs_while_ping_waits() -> None:
    """The interpreter's lock is released: a thread in Python answers a ping when another one has computed."""
    computed = 0
    over = threading.Event()

    def compute() -> None:
        nonlocal computed
        while not over.is_set():
            computed += sum(range(100))

    def answer_when_more_is_computed(_: Received) -> Reply:
        before = computed
        wait_until(lambda: computed > before)
        return Reply()

    worker = threading.Thread(target=compute)
    with FarEnd(answer_when_more_is_computed) as far:
        worker.start()
        try:
            run = udpping.ping(*far.address, count=10, interval=0.02, timeout=30)
        finally:
            over.set()
            worker.join()
    assert statuses(run) == ["reply"] * 10


def test_two_pings_at_once_do_not_mix_their_replies() -> None:
    runs: list[udpping.Run] = []
    with udpping.Server(port=0, delay="uniform:0ms,5ms") as server:
        pings = [
            threading.Thread(
                target=lambda: runs.append(udpping.ping(*server.address, count=50, interval=0.002, timeout=2))
            )
            for _ in range(4)
        ]
        for each in pings:
            each.start()
        for each in pings:
            each.join()
    assert [run.summary.received for run in runs] == [50] * 4
    assert [(run.summary.foreign, run.summary.unmatched) for run in runs] == [(0, 0)] * 4


def test_noise_from_the_target_never_stops_a_run() -> None:
    """Five random datagrams come before each reply. Nothing gets lost: each is a copy, or unmatched."""
    noise = random.Random(4)

    def script(_: Received) -> list[Reply]:
        junk = [Reply(b"\xff" + noise.randbytes(noise.randrange(1_500))) for _ in range(5)]
        return [*junk, Reply()]

    with FarEnd(script) as far:
        run = udpping.ping(*far.address, count=30, interval=0.005, timeout=2, linger=0.1)
    summary = run.summary
    assert statuses(run) == ["reply"] * 30
    assert sum(row.copies for row in run) + (summary.unmatched or 0) == 180


def test_a_run_knows_when_it_began_and_each_ping_when_it_left() -> None:
    before = time.time_ns()
    with FarEnd() as far:
        run = udpping.ping(*far.address, count=3, timeout=2)
        texts = [request.payload.split()[2] for request in far.received]
    for row, text in zip(run, texts, strict=True):
        assert before <= (row.run or 0) <= (row.sent_wall_ns or 0) <= time.time_ns()
        assert text == repr((row.sent_wall_ns or 0) / 1e9).encode()
    assert {row.target for row in run} == {f"{LOOPBACK}:{far.address[1]}"}


def udp_ports() -> set[int]:
    """Give the ports of this process's UDP sockets on IPv4."""
    found: set[int] = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                if copy.family == socket.AF_INET:
                    found.add(copy.getsockname()[1])
        except OSError:
            continue  # no socket, or closed since
    return found


def test_what_the_pinger_s_own_kernel_dropped_is_counted_and_shown() -> None:
    """A pinger that is made and not started takes nothing: its buffer must run over."""
    before = udp_ports()
    pinger = udpping.Pinger("127.0.0.1", 9, bind="127.0.0.1")
    assert pinger.summary.kernel_drops == 0
    assert "kernel" not in repr(pinger.summary)
    (port,) = udp_ports() - before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
        for _ in range(2_000):
            flood.sendto(bytes(60_000), ("127.0.0.1", port))
            if (pinger.summary.kernel_drops or 0) > 3:
                break
    pinger.stop()
    run = pinger.run()
    drops = run.summary.kernel_drops
    assert drops is not None
    assert drops > 3
    assert run.summaries == (run.summary,)
    assert f"{drops:,} dropped by this machine's kernel" in repr(run)
    assert f"{drops:,} datagrams dropped by this machine's kernel" in run._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_with_several_targets_it_is_known_for_all_together() -> None:
    with udpping.Server(port=0) as one, udpping.Server(port=0) as two:
        run = udpping.ping_many([one.address, two.address], count=1)
    assert run.summary.kernel_drops == 0
    assert [summary.kernel_drops for summary in run.summaries] == [None, None]
    run.summary.kernel_drops = 5
    assert "5 dropped by this machine's kernel" in repr(run)
    assert udpping.sim.ping(count=1).summary.kernel_drops is None


def test_it_gives_up_after_so_many_misses_in_a_row() -> None:
    with FarEnd([Reply(), None, Reply()]) as far:
        run = udpping.ping(*far.address, count=100, timeout=2, linger=0, misses=2)
        assert [row.status for row in run] == ["reply", "timeout", "reply", "timeout", "timeout"]
        assert len(far.received) == 5
    virtual = udpping.sim.ping(count=100, loss="pattern:.x.xx", misses=2)
    assert [row.status for row in virtual] == [row.status for row in run]
