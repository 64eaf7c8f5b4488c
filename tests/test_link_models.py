"""What the models of a link do over a million datagrams, beside what theory says."""

from __future__ import annotations

import math
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from udpping import _core, delay, loss

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

np = pytest.importorskip("numpy", reason="has no wheel for this Python")
stats = pytest.importorskip("scipy.stats", reason="has no wheel for this Python")
special = pytest.importorskip("scipy.special", reason="has no wheel for this Python")

pytestmark = pytest.mark.untimed

MILLION = 1_000_000
SIGMAS = 5
SHARES = np.array([0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999])


def delays(model: delay.Delay, count: int = MILLION, seed: int = 7) -> Any:  # noqa: ANN401 - an array of floats
    """Give the seconds of so many datagrams."""
    return np.fromiter(model.stream(seed), float, count)


DELAYS: list[tuple[delay.Delay, Any, float]] = [
    (delay.Uniform(0.01, 0.03, correlation=0.5), stats.uniform(0.01, 0.02), 0.5),
    (delay.Exponential(0.005, base=0.02), stats.expon(0.02, 0.005), 0),
    (delay.LogNormal(0.005, sigma=0.8, correlation=0.5), stats.lognorm(0.8, 0, 0.005), 0.5),
    (delay.Gamma(0.005, shape=2.5, base=0.02), stats.gamma(2.5, 0.02, 0.002), 0),
    *(
        (delay.Normal(0.04, "5ms", correlation=rho), stats.norm(0.04, 0.005), rho)
        for rho in (0, 0.3, 0.9, 0.99)
    ),
    (delay.Pareto(0.005, shape=5), stats.pareto(5, 0, 0.005), 0),
    (delay.Weibull(0.005, shape=0.8, correlation=0.75), stats.weibull_min(0.8, 0, 0.005), 0.75),
]


@pytest.mark.parametrize(("model", "theirs", "rho"), DELAYS, ids=[str(model) for model, *_ in DELAYS])
def test_delays_have_the_moments_the_quantiles_and_the_correlation_asked_for(
    model: delay.Delay,
    theirs: Any,  # noqa: ANN401 - scipy's
    rho: float,
) -> None:
    seen = delays(model)
    # So many values that depend on each other are worth fewer.
    error = SIGMAS * np.sqrt((1 + rho) / (1 - rho) / MILLION)
    assert abs(seen.mean() - theirs.mean()) < error * theirs.std()
    kurtosis = float(theirs.stats("k"))
    assert abs(seen.var() / theirs.var() - 1) < error * np.sqrt(kurtosis + 2)
    below = np.searchsorted(np.sort(seen), theirs.ppf(SHARES)) / MILLION
    assert np.all(np.abs(below - SHARES) < error * np.sqrt(SHARES * (1 - SHARES)))
    if isinstance(model, delay.Normal):
        for lag in (1, 2, 5):
            found = np.corrcoef(seen[:-lag], seen[lag:])[0, 1]
            assert abs(found - rho**lag) < error


def test_correlated_delays_follow_from_those_without_a_correlation() -> None:
    """By the definition: the number of a datagram is rho times the last one and a new part."""
    new = (delays(delay.Normal(1, 0.1), 1_000, seed=42) - 1) / 0.1
    expected = [new[0]]
    for each in new[1:]:
        expected.append(0.75 * expected[-1] + np.sqrt(1 - 0.75**2) * each)
    seen = delays(delay.Normal(1, 0.1, correlation=0.75), 1_000, seed=42)
    assert np.allclose(seen, 1 + 0.1 * np.array(expected), atol=1e-7)


def test_a_table_is_straight_between_its_quantiles_and_a_list_has_equal_shares() -> None:
    table = delays(delay.Table(["10ms", "12ms", "30ms", "90ms"], correlation=0.5))
    expected = np.interp(SHARES, np.linspace(0, 1, 4), [0.01, 0.012, 0.03, 0.09])
    below = np.searchsorted(np.sort(table), expected) / MILLION
    assert np.all(np.abs(below - SHARES) < SIGMAS * np.sqrt(3 * SHARES * (1 - SHARES) / MILLION))
    times, counts = np.unique(delays(delay.Empirical([0.03, 0.01, 0.02, 0.02])), return_counts=True)
    assert list(times) == [0.01, 0.02, 0.03]
    assert stats.chisquare(counts, MILLION * np.array([0.25, 0.5, 0.25])).pvalue > 1e-6


def test_measured_delays_are_those_of_all_targets_late_ones_too() -> None:
    late = udpping.sim.ping(count=100, delay="uniform:1ms,9ms", timeout="5ms", linger=1, seed=1)
    assert late.summary.late > 0
    waits = delays(delay.Trace(late, repeat=True), 200) * 1e9
    assert np.rint(waits).tolist() == late["rtt_ns"].to_list() * 2
    drawn = delays(delay.Empirical(late), 10_000) * 1e9
    assert set(np.rint(drawn)) == set(late["rtt_ns"].to_list())


def test_a_trace_of_a_run_fills_the_gaps_of_its_losses() -> None:
    seen = udpping.sim.ping(count=5, loss="list:1,2,4", delay="trace:1ms,2ms,3ms,4ms,5ms")
    assert str(delay.Trace(seen)) == "trace:3ms,3ms,3ms,3ms,5ms"
    again = udpping.sim.ping(count=7, delay=delay.Trace(seen))
    assert again["rtt_ns"].to_list() == [3_000_000] * 4 + [5_000_000, 0, 0]
    assert list(islice(delay.Trace(["1ms", "2ms"], repeat=True).stream(), 3)) == [0.001, 0.002, 0.001]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: delay.Normal(0.04, "5ms", correlation=1), "correlation 1 .* 0 to below 1"),
        (lambda: delay.Normal(0.04, "5ms", correlation=-0.1), "correlation -0.1 .* 0 to below 1"),
        (lambda: delay.Exponential(0.04, floor=-1), "floor -1 .* 0 to 1h"),
        (lambda: delay.Table([1]), "two times or more"),
        (lambda: delay.Table("10ms"), "times such as"),
        (lambda: delay.Empirical([]), "one time at least"),
        (lambda: delay.Empirical([50]), "50 seconds"),
        (lambda: delay.Trace(udpping.sim.ping(count=2, loss=1)), "run without a reply"),
    ],
)
def test_what_is_no_delay_is_named(make: Any, told: str) -> None:  # noqa: ANN401 - a call
    with pytest.raises(udpping.errors.ConfigError, match=told):
        make()


def test_a_trace_is_of_one_target() -> None:
    with udpping.Server(port=0) as one, udpping.Server(port=0) as other:
        both = udpping.ping_many([one, other], count=1)
    with pytest.raises(udpping.errors.ConfigError, match="2 targets"):
        delay.Trace(both)
    assert len(str(delay.Empirical(both)).split(",")) == 2


def share_error(share: float, stays: float, span: int = 0) -> float:
    """Give the error of the share of datagrams of which each, and that `span` later, does something.

    What two datagrams have in common shrinks by `stays` with each datagram between them, at least.
    """
    return SIGMAS * math.sqrt(share * (1 - share) * (1 + 2 * span + 2 * stays / (1 - stays)) / MILLION)


def chain(p: float, r: float, good: float, bad: float) -> tuple[float, float, Any]:
    """Give the loss of a channel of two states, what stays of it, and the share of losses so far apart."""
    is_bad, stays = p / (p + r), 1 - p - r
    share = is_bad * bad + (1 - is_bad) * good

    def both(apart: int) -> float:
        return share**2 + is_bad * (1 - is_bad) * (bad - good) ** 2 * float(stays**apart)

    return share, stays, both


def copula(share: float, rho: float) -> tuple[float, float, Any]:
    """Give the same of normal numbers below a bound: Owen's T is what two of them have in common."""

    def both(apart: int) -> float:
        common = rho**apart
        return share - 2 * float(
            special.owens_t(stats.norm.ppf(share), math.sqrt((1 - common) / (1 + common)))
        )

    return share, rho, both


# With each its theory, and how often a loss follows a loss where runs do not depend on each other.
LOSSES: list[tuple[loss.Loss, tuple[float, float, Any], float | None]] = [
    (loss.Bernoulli("5%"), chain(0.05, 0.95, 0, 1), 0.05),
    (loss.Burst("5%", 3), chain(0.05 / 0.95 / 3, 1 / 3, 0, 1), 2 / 3),
    (loss.GilbertElliott("1%", "25%", loss_bad="80%"), chain(0.01, 0.25, 0, 0.8), 0.75 * 0.8),
    (loss.GilbertElliott("2%", "10%", loss_good="1%", loss_bad="50%"), chain(0.02, 0.1, 0.01, 0.5), None),
    (loss.Correlated("5%", 0.9), copula(0.05, 0.9), None),
    (loss.Correlated("30%", 0.5), copula(0.3, 0.5), None),
]


@pytest.mark.parametrize(("model", "theory", "again"), LOSSES, ids=[str(model) for model, *_ in LOSSES])
def test_losses_have_the_share_the_correlation_and_the_runs_asked_for(
    model: loss.Loss, theory: tuple[float, float, Any], again: float | None
) -> None:
    lost = np.fromiter(model.stream(5), bool, MILLION)
    share, stays, both = theory
    assert abs(lost.mean() - share) < share_error(share, stays)
    for apart in (1, 2, 5):
        pairs = (lost[:-apart] & lost[apart:]).mean()
        assert abs(pairs - both(apart)) < share_error(both(apart), stays, apart)
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False))
    runs = edges[1::2] - edges[::2]
    assert abs(runs.size / MILLION - (share - both(1))) < share_error(share - both(1), stays, 1)
    if again is None:
        return
    # Each run is geometric, so its mean and its standard deviation are known.
    mean, deviation = 1 / (1 - again), math.sqrt(again) / (1 - again)
    assert abs(runs.mean() - mean) < SIGMAS * deviation / math.sqrt(runs.size)
    for length in range(1, 12):
        expected = (1 - again) * again ** (length - 1)
        error = SIGMAS * math.sqrt(expected * (1 - expected) / runs.size) + 1 / runs.size
        assert abs((runs == length).mean() - expected) < error


def carried(link: str, times: Iterable[int], datagrams: Iterable[bytes]) -> Iterator[tuple[list[int], bytes]]:
    """Give when the copies of each datagram leave one way of a link, in nanoseconds, and its bytes."""
    carry = _core.EndpointLink(link, "", 5).carry
    return (carry(False, "127.0.0.1", 1, at, sent) for at, sent in zip(times, datagrams, strict=True))


def leaving(link: str, times: Any, datagrams: Iterable[bytes] | None = None) -> Any:  # noqa: ANN401 - arrays
    """Give when each datagram leaves, without copies; -1 if it does not."""
    seen = carried(link, times.tolist(), repeat(b"", MILLION) if datagrams is None else datagrams)
    return np.fromiter((leave[0] if leave else -1 for leave, _ in seen), int, MILLION)


def test_copies_and_flipped_bits_are_as_many_as_asked_for_and_independent() -> None:
    counts, data = [], bytearray()
    for leave, datagram in carried(
        "duplicate=5%,2; corrupt=20%,3", range(MILLION), repeat(bytes(16), MILLION)
    ):
        counts.append(len(leave))
        data += datagram
    arrived, bits = np.array(counts), np.unpackbits(np.frombuffer(data, np.uint8)).reshape(MILLION, 128)
    assert set(np.unique(arrived)) == {1, 3}
    flipped = bits.sum(axis=1, dtype=int)
    assert set(np.unique(flipped)) == {0, 3}
    copied, damaged = arrived == 3, flipped == 3
    for hit, share in ((copied, 0.05), (damaged, 0.2), (copied & damaged, 0.01)):
        assert abs(hit.mean() - share) < share_error(share, 0)
    assert abs((copied[1:] & copied[:-1]).mean() - 0.05**2) < share_error(0.05**2, 0, 1)
    # Each bit is one of three of 128.
    each = bits[damaged].mean(axis=0) - 3 / 128
    assert np.abs(each).max() < SIGMAS * math.sqrt(3 / 128 * 125 / 128 / damaged.sum())


def test_so_many_are_held_back_and_overtaken_by_those_of_the_time_asked_for() -> None:
    times = np.arange(MILLION) * 1_000_000
    arrive = leaving("reorder=5%,10.5ms", times)
    held = arrive > times
    assert set(np.unique(arrive - times)) == {0, 10_500_000}
    assert abs(held.mean() - 0.05) < share_error(0.05, 0)
    # The ten that are sent in this time overtake it, but those that are held back too.
    place = np.empty(MILLION, int)
    place[np.argsort(arrive, kind="stable")] = np.arange(MILLION)
    overtaking = (place - np.arange(MILLION))[:-10]
    apart = overtaking[::11][held[:-10:11]]
    for count in range(11):
        expected = stats.binom.pmf(count, 10, 0.95)
        error = SIGMAS * math.sqrt(expected * (1 - expected) / apart.size) + 1 / apart.size
        assert abs((apart == count).mean() - expected) < error
    # Of the pairs of two that are held back, each shares one of the two with 38 others.
    pairs = (10 - overtaking[held[:-10]]).sum()
    error = SIGMAS * math.sqrt(10 * MILLION * (0.05**2 + 38 * 0.05**3))
    assert abs(pairs - 10 * MILLION * 0.05**2) < error


def test_jitter_has_the_mean_asked_for_and_keeps_the_order() -> None:
    # So far apart none waits for the one before.
    rare, close = np.arange(MILLION) * 1_000_000_000, np.arange(MILLION) * 1_000_000
    waits = leaving(link := "jitter=exponential:5ms", rare) - rare
    assert abs(waits.mean() / 5e6 - 1) < SIGMAS / math.sqrt(MILLION)
    theirs = stats.expon(scale=5e6)
    below = np.searchsorted(np.sort(waits), theirs.ppf(SHARES)) / MILLION
    assert np.all(np.abs(below - SHARES) < SIGMAS * np.sqrt(SHARES * (1 - SHARES) / MILLION))
    # Closer together they draw the same, and none arrives before an earlier one.
    assert np.array_equal(leaving(link, close), np.maximum.accumulate(close + waits))


@pytest.mark.parametrize("queue", ["16KiB", "20"])
def test_a_queue_waits_as_lindley_says_and_drops_what_finds_no_room(queue: str) -> None:
    """800 ns a byte. Packets of 400 bytes on average come at random, at 95 % of the rate on average."""
    drawn = np.random.default_rng(5)
    packets = drawn.integers(28, 773, MILLION)
    times = np.cumsum(drawn.exponential(400 * 800 / 0.95, MILLION)).astype(int)
    datagrams = [bytes(length) for length in range(745)]
    seen = leaving(
        f"rate=10Mbit/s; queue={queue}", times, (datagrams[size - 28] for size in packets.tolist())
    )
    passed = seen >= 0
    leave = seen[passed]
    # Lindley: a packet begins when it comes, or when the one before it is sent.
    taken = 800 * packets[passed]
    sent = np.cumsum(taken)
    assert np.array_equal(leave, sent + np.maximum.accumulate(times[passed] - (sent - taken)))
    before = np.cumsum(passed) - passed
    if queue.endswith("KiB"):
        free = np.concatenate([[0], leave])[before]
        fits = np.maximum(free - times, 0) + 800 * packets <= 800 * 16 * 1_024
    else:
        fits = before - np.searchsorted(leave, times, side="right") < 20
    assert np.array_equal(passed, fits)
    assert 0.001 < 1 - passed.mean() < 0.05


@pytest.mark.parametrize("interval", [0.01, 0.5, 20])
def test_a_channel_in_time_loses_its_share_in_the_runs_of_its_chain(interval: float) -> None:
    """Good for 3 s and bad for 1 s on average; 80 % are lost while it is bad."""
    model = loss.GilbertElliottTime("3s", "1s", loss_bad="80%")
    lost = np.fromiter(model.stream(3, interval=interval), bool, MILLION)
    stays = math.exp(-interval * (1 / 3 + 1))
    # What two losses so far apart have in common: b (1 - b) B^2 stays^lag, beside L (1 - L).
    share, common = 0.25 * 0.8, 0.25 * 0.75 * 0.8**2
    error = SIGMAS * math.sqrt((share * (1 - share) + 2 * common * stays / (1 - stays)) / MILLION)
    assert abs(lost.mean() - share) < error
    pairs = (lost[:-1] & lost[1:]).mean()
    assert abs(pairs - (share**2 + common * stays)) < error
    chain = udpping.loss.GilbertElliott(0.25 * (1 - stays), 0.75 * (1 - stays), loss_bad="80%")
    ends = np.flatnonzero(lost[:-1] & ~lost[1:]).size
    runs = chain.run_lengths(1)[0]
    alone = np.flatnonzero(~lost[:-2] & lost[1:-1] & ~lost[2:]).size
    assert abs(alone / ends - runs) < SIGMAS * math.sqrt(runs * (1 - runs) / ends) + 1 / ends


def test_a_stream_of_a_channel_in_time_is_what_a_server_does_with_such_pings() -> None:
    model = loss.GilbertElliottTime("3s", "1s")
    run = udpping.sim.ping(count=500, interval=0.3, loss=model, seed=42, timeout=0.1)
    drops = list(islice(model.stream(seed=42, interval="300ms"), 500))
    assert drops == [row.status == "timeout" for row in run]
    with pytest.raises(udpping.ConfigError, match=r"interval None .* how far apart"):
        model.stream()
    with pytest.raises(udpping.ConfigError, match=r"good 0 .* 1ns to 366d"):
        loss.GilbertElliottTime(0, 1)


def test_a_schedule_of_losses_is_a_straight_line_and_one_of_rates_too() -> None:
    run = udpping.sim.ping(count=100_000, interval=0.001, up="schedule=20s-80s:loss=0..100%,90s-95s", seed=3)
    sent = np.arange(100_000) / 1_000
    lost = np.array([status != "reply" for status in run["status"].to_list()])
    assert not lost[:20_000].any()
    assert lost[90_000:95_000].all()
    for second in range(20, 80):
        share = (second + 0.5 - 20) / 60
        found = lost[(sent >= second) & (sent < second + 1)].mean()
        assert abs(found - share) < SIGMAS * math.sqrt(share * (1 - share) / 1_000)
    # 125 bytes take 1 ms at 1 Mbit/s and 10 ms at 100 kbit/s.
    slower = "rate=1Mbit/s; schedule=10s-20s:rate=1Mbit/s..100kbit/s,20s-30s:rate=100kbit/s"
    run = udpping.sim.ping(count=400, interval=0.1, size=97, up=udpping.Link(slower), seed=3)
    waits = np.array(run["rtt_ns"].to_list()) / 1e6
    rates = np.interp(np.arange(400) / 10, [10, 20], [1.0, 0.1])
    rates[300:] = 1
    assert np.allclose(waits, 1 / rates, rtol=1e-5)
