"""`Link.from_tc`: what tc accepts, the link made of it, and where netem does something else."""

from __future__ import annotations

import random
import warnings
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
import udpping
from udpping._args import netem

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.python, pytest.mark.untimed]


def read(text: str) -> tuple[str, list[str]]:
    """Make the link, and collect its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        link = udpping.Link.from_tc(text)
    assert all(each.category is udpping.NetemWarning and each.filename == __file__ for each in caught)
    return str(link), [str(each.message) for each in caught]


LINKS = [
    ("", "", ()),
    ("loss 5", "loss=0.05", ()),
    ("loss random 0.3%", "loss=0.003", ()),
    ("drop 5%", "loss=0.05", ()),
    ("loss 10% 25%", "loss=correlated:0.1,0.25", ("netem loses 1.77 % and not 10 %",)),
    ("loss 0.3% 25%", "loss=correlated:0.003,0.25", ("netem loses 0 % and not 0.3 %",)),
    ("loss gemodel 1%", "loss=gilbert-elliott:0.01,0.99", ()),
    ("loss gemodel 1% 10%", "loss=gilbert-elliott:0.01,0.1", ("begins in the good state",)),
    (
        "loss gemodel 1% 10% 70% 0.1%",
        "loss=gilbert-elliott:0.01,0.1,loss_good=0.001,loss_bad=0.7",
        ("begins in the good state",),
    ),
    # The states change places: the good one of a link loses less.
    (
        "loss gemodel 1% 10% 0% 50%",
        "loss=gilbert-elliott:0.1,0.01,loss_bad=0.5",
        ("begins in the good state",),
    ),
    ("loss state 1%", "loss=gilbert-elliott:0.01,0.99", ()),
    ("loss state 1% 20%", "loss=gilbert-elliott:0.01,0.2", ("begins in state 1",)),
    ("loss state 0 100 0 100 5%", "loss=burst:0.047619048,1", ("four states", "begins in state 1")),
    ("loss 5% ecn", "loss=0.05", ("marks nothing",)),
    ("delay 20ms", "delay=20ms", ("50,000 packets a second",)),
    ("latency 1.5sec limit 30", "delay=1.5s", ("20 packets a second, as its limit of 30 packets",)),
    (
        "delay 20ms 5ms",
        "delay=uniform:15ms,25ms",
        ("not from a normal", "Link(jitter='uniform:15ms,25ms')", "50,000"),
    ),
    (
        "tc qdisc add dev eth0 root netem del 20ms 5ms 25% dist normal",
        "delay=normal:mean=20ms,sigma=5ms",
        ("correlation of delays", "reorders", "50,000"),
    ),
    (
        "delay 9ms 3ms distribution pareto",
        "delay=pareto:scale=4ms,shape=3,base=3ms",
        ("tail", "reorders", ""),
    ),
    (
        "rate 1mbit delay 20ms 5ms limit 10",
        "jitter=uniform:15ms,25ms; rate=1Mbit/s; queue=10",
        ("14 bytes of an Ethernet", "not from a normal", "keeps the order", "limit also counts"),
    ),
    ("rate 100kbps", "rate=800kbit/s; queue=1000", ("11 % more packets",)),
    ("rate 1Kibit -14", "rate=1024bit/s; queue=1000", ()),
    ("rate 5mbit limit 5000", "rate=5Mbit/s; queue=1000", ("14 bytes", "1,000 packets, the most of a link")),
    (
        "delay 10ms reorder 25% rate 1mbit -14",
        "reorder=0.75,10ms; rate=1Mbit/s; queue=1000",
        ("25 % of the packets at once", "take none of the rate", "limit also counts"),
    ),
    # What is below 0 is sent at once.
    (
        "delay 10ms 20ms",
        "delay=table:0,0,10ms,20ms,30ms",
        ("not from a normal", "25 % of the packets have a delay below 0", "reorders", "100,000"),
    ),
    ("delay 1ms 3ms", "delay=table:0,0,2ms,4ms", ("", "33.3 %", "", "1,000,000")),
    # Lines of tc qdisc show.
    (
        "qdisc netem 8001: dev eth0 root refcnt 2 limit 1000 delay 20ms  5ms 25% loss 5% seed 7",
        "loss=0.05; delay=uniform:15ms,25ms",
        ("correlation of delays", "seed", "does not show a distribution", "reorders", "50,000"),
    ),
    (
        (
            "qdisc noqueue 0: dev lo root refcnt 2\n"
            "qdisc netem 8001: root limit 9 loss gemodel p 1% r 30% 1-h 100% 1-k 0%"
        ),
        "loss=gilbert-elliott:0.01,0.3",
        ("begins in the good state",),
    ),
    (
        (
            "qdisc netem 1: root limit 9 loss state p13 1% p31 20% p32 0% p23 100% p14 0% rate 1Mbit"
            " packetoverhead -14"
        ),
        "loss=gilbert-elliott:0.01,0.2; rate=1Mbit/s; queue=9",
        ("begins in state 1",),
    ),
    ("delay 10ms reorder 25%", "reorder=0.75,10ms", ("25 % of the packets at once", "100,000")),
    ("delay 10ms reorder 100%", "", ("100 % of the packets at once", "100,000")),
    (
        "delay 10ms reorder 25% 50% gap 5",
        "reorder=0.875,10ms",
        ("correlation of reorder", "12.5 % of the packets at once, with at least 4", "12.5 %", "100,000"),
    ),
    (
        "delay 10ms 2ms reorder 25%",
        "delay=uniform:0,4ms; reorder=0.75,8ms",
        ("25 %", "jitter of up to 4ms", "100,000"),
    ),
    ("duplicate 1%", "duplicate=0.01", ()),
    ("duplicate 10% loss 10%", "loss=0.1; duplicate=0.1", ("9 % are lost and not 10 %",)),
    ("corrupt 1% 5%", "corrupt=0.01", ("correlation of corrupt", "the receiving system drops")),
    ("seed 5", "", ("seed is left out",)),
]


@pytest.mark.parametrize(("text", "link", "told"), LINKS, ids=[text for text, _, _ in LINKS])
def test_the_nearest_link_is_made_and_warned_of(text: str, link: str, told: tuple[str, ...]) -> None:
    made, warned = read(text)
    assert made == link
    assert len(warned) == len(told), warned
    for words, sentence in zip(told, warned, strict=True):
        assert words in sentence


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lossx 1", "'lossx' is not usable: expected options of netem"),
        ("loss", "a percentage, or random, state or gemodel|after 'loss'"),
        ("loss often", "'often'"),
        ("loss 150%", "'150%' .* from 0 to 100"),
        ("loss 5% loss 6%", "loss is there twice"),
        ("loss 5% drop 6%", "loss is there twice"),
        ("loss 5% 100%", "below 100 %"),
        ("loss state 1% 0% 10%", "each way back to state 1"),
        ("ecn", "a loss beside ecn"),
        ("delay 100", "a time with its unit"),
        ("delay -5ms", "'-5ms'"),
        ("delay", "a time, after 'delay'"),
        ("qdisc netem 1: limit 9 loss 5%\nqdisc netem 2: limit 9", "one line of netem"),
        ("qdisc netem 1: limit 9 rate 1Mbit cellsize 48", "without cells"),
        ("delay 1s distribution pareto", "with a jitter beside distribution"),
        ("delay 10ms 6ms distribution pareto", "twice the jitter"),
        ("delay 10ms 5ms distribution paretonormal", "uniform, normal or pareto"),
        ("delay 2h", "'2h'"),
        ("delay 7200s", "delay"),
        ("reorder 5%", "a delay beside reorder"),
        ("delay 10ms 5ms distribution normal reorder 5%", "a fixed delay beside reorder"),
        ("gap 5 delay 10ms", "a reorder beside gap"),
        ("rate fast", "1mbit"),
        ("rate 10%", "1mbit"),
        ("rate 1bit", "rate"),
        ("rate 5kbit 20", "without an overhead"),
        ("rate 5kbit 0 48 5", "without cells"),
        ("slot 10ms", "no slot"),
        ("limit many", "a number of packets"),
    ],
)
def test_what_tc_or_a_link_cannot_do_is_one_error(text: str, told: str) -> None:
    with pytest.raises(udpping.errors.ConfigError, match=told):
        udpping.Link.from_tc(text)


def fates(p13: float, p31: float, p32: float, p23: float, p14: float) -> Iterator[bool]:
    """Lose as the kernel does with four states."""
    draw, state = random.Random(1), 1
    while True:
        uniform = draw.random()
        if state == 1:
            state = 4 if uniform < p14 else 3 if uniform < p14 + p13 else 1
        elif state == 2:
            state = 3 if uniform < p23 else 2
        elif state == 3:
            state = 2 if uniform < p32 else 1 if uniform < p32 + p31 else 3
        else:
            state = 1
        yield state in {3, 4}


def test_four_states_keep_share_and_mean_run() -> None:
    chain = (0.01, 0.2, 0.1, 0.3, 0.01)
    text, _ = read("loss state " + " ".join(f"{100 * each}%" for each in chain))
    share, run = map(float, text.removeprefix("loss=burst:").split(","))
    kernel = fates(*chain)
    lost = [next(kernel) for _ in range(400_000)]
    runs = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert share == pytest.approx(sum(lost) / len(lost), rel=0.04)
    assert run == pytest.approx(sum(lost) / runs, rel=0.04)


@pytest.mark.parametrize(
    ("share", "rho", "lost"), [(50, 90, 0.5), (30, 50, 0.129), (5, 50, 0.0), (10, 25, 0.0175)]
)
def test_netems_correlation_loses_what_its_formula_loses(share: int, rho: int, lost: float) -> None:
    found = netem.netem_loses(Fraction(share, 100), Fraction(rho, 100))
    assert float(found) == pytest.approx(lost, abs=0.02 if rho == 90 else 0.003)


def test_reorder_sends_some_at_once() -> None:
    with pytest.warns(udpping.NetemWarning):
        link = udpping.Link.from_tc("delay 10ms reorder 25%")
    run = udpping.sim.ping(count=10_000, interval=0.001, up=link, seed=1)
    at_once = sum(row.rtt_ns == 0 for row in run) / len(run)
    assert at_once == pytest.approx(0.25, abs=0.02)
    assert {row.rtt_ns for row in run} == {0, 10_000_000}


def test_a_jitter_beyond_the_delay_is_cut_off_at_0() -> None:
    """As the kernel draws: evenly around the delay, and what is due before now is sent at once."""
    with pytest.warns(udpping.NetemWarning):
        link = udpping.Link.from_tc("delay 7ms 20ms")
    run = udpping.sim.ping(count=50_000, interval=1, down=link, seed=1)
    took = sorted(row.rtt_ns or 0 for row in run)
    draw = random.Random(1)
    netem = sorted(max(0, draw.randrange(40_000_000) - 13_000_000) for _ in took)
    assert abs(took.count(0) - netem.count(0)) < 0.01 * len(took)
    assert all(abs(one - other) < 600_000 for one, other in zip(took[::500], netem[::500], strict=True))
