"""`sim.ping`: the same run as on a real network, in virtual time."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
import udpping
from common import marks, statuses

pytestmark = pytest.mark.untimed


def test_a_million_pings_take_seconds() -> None:
    began = time.process_time()
    run = udpping.sim.ping(count=1_000_000, loss="4/11", delay="exponential:20ms", seed=1)
    assert time.process_time() - began < 20  # of CPU: about two
    assert len(run) == run.summary.sent == 1_000_000
    assert run.summary.received + run.summary.lost == 1_000_000


def test_a_day_passes_without_waiting() -> None:
    began = time.process_time()
    run = udpping.sim.ping(count=86_400, interval=1, loss=0.01, seed=2)
    assert (run.summary.duration_ns or 0) >= 86_399 * 10**9
    assert time.process_time() - began < 10


@pytest.mark.parametrize("model", ["4/11", "burst:30%,3", "pattern:.xx.", "randint:0,10,4", "trace:.xx"])
def test_it_loses_what_the_real_server_loses(model: str) -> None:
    virtual = udpping.sim.ping(count=40, interval=0.002, loss=model, seed=42)
    with udpping.Server(port=0, loss=model, seed=42) as server:
        real = udpping.ping(*server.address, count=40, interval=0.002, timeout=3, linger=0)
    assert marks(virtual) == marks(real)
    assert virtual.column_names == real.column_names == list(udpping.Row._fields)


def test_it_delays_as_the_real_server_does() -> None:
    virtual = udpping.sim.ping(count=10, delay="uniform:10ms,60ms", seed=5)
    with udpping.Server(port=0, delay="uniform:10ms,60ms", seed=5, record=True) as server:
        real = udpping.ping(*server.address, count=10, timeout=60)
    assert [row.rtt_ns for row in virtual] == [row.delay_ns for row in server.log]
    assert all((row.rtt_ns or 0) >= (held.delay_ns or 0) for row, held in zip(real, server.log, strict=True))


@pytest.mark.parametrize(
    ("delay", "mean", "stddev"),
    [("20ms", 0.02, 0), ("uniform:0ms,60ms", 0.03, 0.06 / 12**0.5), ("exponential:50ms", 0.05, 0.05)],
)
def test_a_delay_has_its_mean_and_spread(delay: str, mean: float, stddev: float) -> None:
    summary = udpping.sim.ping(count=100_000, delay=delay, timeout=10, seed=6).summary
    assert summary.received == 100_000
    assert (summary.rtt_avg_ns or 0) / 1e9 == pytest.approx(mean, rel=0.02)
    assert (summary.rtt_stddev_ns or 0) / 1e9 == pytest.approx(stddev, rel=0.02, abs=1e-9)


def test_what_comes_after_the_timeout_is_late_and_what_overtakes_is_reordered() -> None:
    run = udpping.sim.ping(
        count=2_000, interval=0.01, timeout=0.1, linger=5, delay="exponential:50ms", seed=7
    )
    summary = run.summary
    rows = list(run)
    assert summary.timeouts == 0
    assert summary.late == sum(row.status == "late" for row in rows) > 100
    assert all((row.status == "late") == ((row.rtt_ns or 0) >= 0.1e9) for row in rows)
    in_time = [(row.sent_ns or 0) + (row.rtt_ns or 0) for row in rows if row.status == "reply"]
    overtaken = sum(came > min(in_time[place:]) for place, came in enumerate(in_time))
    assert summary.reordered == overtaken > 100
    assert summary.rtt_avg_ns == pytest.approx(
        statistics.fmean(row.rtt_ns for row in rows if row.status == "reply" and row.rtt_ns is not None)
    )


def test_the_seed_in_force_repeats_it_to_the_last_bit() -> None:
    options: dict[str, Any] = {"count": 500, "loss": 0.3, "delay": "exponential:5ms"}
    first = udpping.sim.ping(**options)
    again = udpping.sim.ping(**options, seed=first.seed)
    other = udpping.sim.ping(**options, seed=first.seed + 1)
    assert list(first) == list(again)
    assert first.summary.as_dict() == again.summary.as_dict()
    assert marks(first) != marks(other)


@pytest.mark.parametrize("seed", [0, -1, 2**64 - 1, 2**64, -(2**64), 10**300])
def test_every_integer_is_a_seed(seed: int) -> None:
    run = udpping.sim.ping(count=100, loss=0.5, seed=seed)
    assert run.seed == seed
    assert marks(run) == marks(udpping.sim.ping(count=100, loss=0.5, seed=seed))


def test_seeds_that_look_alike_lose_differently() -> None:
    seeds = [1, -1, 2**32 + 1, 2**64 + 1, -(2**64) - 1]
    assert len({marks(udpping.sim.ping(count=100, loss=0.5, seed=seed)) for seed in seeds}) == len(seeds)


def test_stop_and_wait_takes_the_time_that_waiting_takes() -> None:
    run = udpping.sim.ping(count=10, loss="pattern:.x", delay="100ms", timeout=1, linger=0)
    assert run.summary.duration_ns == 5 * 1_100_000_000
    assert [row.sent_ns for row in run][:4] == [0, 100_000_000, 1_100_000_000, 1_200_000_000]


def test_replies_are_those_of_a_server() -> None:
    run = udpping.sim.ping(count=2, reply="pong {seq}", size=64)
    assert [row.reply for row in run] == [b"pong 1", b"pong 2"]
    assert [row.bytes for row in run] == [6, 6]
    assert statuses(run) == ["reply"] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("count", 0), ("timeout", -1), ("interval", 0), ("linger", -1), ("size", 1)),
        *(("loss", 2), ("delay", -1), ("reply", "{x}"), ("scope", "x")),
    ],
)
def test_bad_values_are_the_errors_of_the_real_one(name: str, value: Any) -> None:  # noqa: ANN401
    with pytest.raises(udpping.ConfigError, match=f"^{name} "):
        udpping.sim.ping(**{name: value})
