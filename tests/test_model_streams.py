"""Losses and delays decide in programs of one's own, as they do in a server."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import islice

import pytest
import udpping
from udpping import delay, loss

pytestmark = pytest.mark.untimed

LOSSES = [
    loss.Bernoulli("4/11"),
    loss.Burst("30%", 3),
    loss.GilbertElliott(0.1, 0.3, loss_good=0.01, loss_bad=0.9),
    loss.Correlated("30%", 0.9),
    loss.Pattern(".x."),
    loss.Every(3),
    loss.List([2, 3, 7]),
    loss.Trace([True, False], repeat=True),
    loss.RandInt(0, 10, below=4),
    loss.Loss("30%"),
]
DELAYS = [
    delay.Fixed("5ms"),
    delay.Uniform("1ms", "9ms"),
    delay.Exponential("5ms", base="1ms"),
    delay.LogNormal("5ms", sigma=0.8),
    delay.Gamma("5ms", shape=2),
    delay.Normal("5ms", "1ms"),
    delay.Pareto("5ms", shape=3),
    delay.Weibull("5ms", shape=2),
]


@pytest.mark.parametrize("model", LOSSES, ids=str)
def test_a_stream_of_losses_is_what_a_server_does(model: loss.Loss) -> None:
    run = udpping.sim.ping(count=500, loss=model, seed=42)
    drops = list(islice(model.stream(seed=42), 500))
    assert {*map(type, drops)} <= {bool}
    assert drops == [row.status == "timeout" for row in run]


@pytest.mark.parametrize("model", DELAYS, ids=str)
def test_a_stream_of_delays_is_what_a_server_does(model: delay.Delay) -> None:
    run = udpping.sim.ping(count=500, delay=model, loss="20%", seed=42, timeout=60)
    waits = list(islice(model.stream(seed=42), 500))
    for row, wait in zip(run, waits, strict=True):
        assert row.rtt_ns in {None, round(wait * 1e9)}


def test_a_real_server_agrees_with_both() -> None:
    with udpping.Server(port=0, loss="burst:30%,3", delay="uniform:0ms,2ms", seed=7, record=True) as server:
        udpping.ping(server, count=40, interval="1ms", timeout=0.5)
    drop, wait = loss.Burst("30%", 3).stream(7), delay.Uniform("0ms", "2ms").stream(7)
    for row in server.log:
        is_lost, seconds = next(drop), next(wait)
        assert (row.verdict == "drop") == is_lost
        assert is_lost or row.delay_ns == round(seconds * 1e9)


def test_the_draws_of_randint_are_those_of_python() -> None:
    random.seed(5)
    expected = [random.randint(0, 10) < 4 for _ in range(100)]
    assert list(islice(loss.RandInt(0, 10, 4).stream(5), 100)) == expected


def test_streams_of_a_seed_are_alike_and_independent_of_each_other() -> None:
    model = loss.Bernoulli(Fraction(1, 2))
    one = model.stream()
    other = model.stream(one.seed)
    first = list(islice(one, 64))
    assert first == list(islice(other, 64))
    assert first != list(islice(one, 64))
    assert model.stream().seed != one.seed
    assert iter(one) is one


def test_a_stream_shows_its_model_and_seed() -> None:
    assert repr(loss.Burst("5%", 3).stream(7)) == "<stream of burst:0.05,3, seed 7>"
    assert repr(delay.Fixed(0.05).stream(-1)) == "<stream of 50ms, seed -1>"


@pytest.mark.parametrize("seed", [1.5, "7", True])
def test_a_seed_is_a_whole_number(seed: int) -> None:
    with pytest.raises(udpping.ConfigError, match=r"\Aseed .* is not usable: expected a whole number\Z"):
        loss.Every(3).stream(seed)
    with pytest.raises(udpping.ConfigError, match=r"\Aseed "):
        delay.Fixed(3).stream(seed)
