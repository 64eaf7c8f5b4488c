"""Durations: one grammar, whatever takes one, on the command line and in Python."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import pkgutil
import random
from dataclasses import is_dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING

import pytest
import udpping
import udpping.cli
import udpping.testing
from udpping import ConfigError, _core, delay, detect, loss, sim, stats
from udpping._console.options import TIMES, Parser
from udpping.lab import SCRIPTS, names, profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.python, pytest.mark.untimed]

MINUTE = 60 * 10**9
DAY = 86_400 * 10**9
CENTURY = 36_525 * DAY
TEXTS = {
    "1500": 1500 * 10**9,
    "0.25": 250_000_000,
    "1e-3": 1_000_000,
    "7ns": 7,
    "50us": 50_000,
    "50µs": 50_000,  # the micro sign
    "50μs": 50_000,
    "200ms": 200_000_000,
    " 1.5 s ": 1_500_000_000,
    "2m": 120 * 10**9,
    "2min": 120 * 10**9,
    "1h": 3_600 * 10**9,
    "0.5d": DAY // 2,
}
BAD = ["", "soon", "-1s", "1sec", "1 m s", "1ms2us", "nan", "inf", "1_0s"]


def parsers() -> Iterator[tuple[str, Parser]]:
    """Make the parser of each command, and of each program of the lab."""
    for module in pkgutil.iter_modules(udpping.cli.__path__):
        if not module.name.startswith("_"):
            yield module.name, importlib.import_module(f"udpping.cli.{module.name}").parser()
    for name in names():
        for script in SCRIPTS.values():
            parser = Parser(f"{name} {script}", "")
            program = getattr(profile(name), script)()
            program.options(parser)
            yield parser.prog, parser


OPTIONS = [(name, action) for name, parser in parsers() for action in parser._actions]
SHARES = {"--jitter"}
"""Options that take a float which is no duration."""


def read(action: argparse.Action, text: str) -> object:
    assert callable(action.type)
    try:
        return action.type(text)
    except argparse.ArgumentTypeError as error:
        return str(error)


def test_every_option_that_takes_a_duration_reads_it_alike() -> None:
    found = 0
    for command, action in OPTIONS:
        name = action.option_strings[-1] if action.option_strings else action.dest
        if action.type is None or SHARES & {name} or not isinstance(read(action, "0.25"), float):
            assert action.metavar != "TIME", f"{command} {name}"
            continue
        found += 1
        assert action.metavar in {"TIME", "S"}, f"{command} {name}"
        for text, nanos in TEXTS.items():
            value = read(action, text)
            if isinstance(value, float):
                assert round(value * 1e9) == nanos, f"{command} {name} {text}"
            else:
                assert f"{text!r} is not usable: expected " in str(value), f"{command} {name} {text}"
        assert isinstance(read(action, "200ms"), float)
        for text in BAD:
            told = str(read(action, text))
            assert f"{text!r} is not usable: expected " in told, f"{command} {name} {text}"
            assert "with ns, us, ms, s, m, h or d (500ms)" in told
            assert "None" not in told
    assert found >= 20


def test_a_command_with_durations_says_how_they_are_written() -> None:
    for command, parser in parsers():
        takes = any(action.metavar == "TIME" for action in parser._actions)
        assert takes == (TIMES in parser.format_help()), command


def refused(call: Callable[[object], object], name: str, value: object) -> str:
    with pytest.raises(ConfigError) as caught:
        call(value)
    assert str(caught.value).startswith(f"{name} {value!r} is not usable: expected "), str(caught.value)
    return str(caught.value)


def heartbeat_wait(value: object) -> object:
    return udpping.Heartbeat(port=9).wait(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def next_event(value: object) -> object:
    return udpping.Monitor("127.0.0.1", 0).next_event(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def next_event_of_server(value: object) -> object:
    return udpping.Server("127.0.0.1", 0).next_event(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def relay_block(value: object) -> None:
    udpping.Relay("127.0.0.1:9").block(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def next_event_of_pinger(value: object) -> object:
    return udpping.Pinger("127.0.0.1:9", detector="fixed:3", interval=1).next_event(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def next_event_of_aio(value: object) -> object:
    pinger = udpping.aio.Pinger("127.0.0.1:9", detector="fixed:3", interval=1)
    return asyncio.run(pinger.next_event(value))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def next_event_of_relay(value: object) -> object:
    return udpping.Relay("127.0.0.1:9").next_event(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def transport_block(value: object) -> None:
    async def block() -> None:
        transport, _ = await udpping.aio.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9)
        )
        try:
            transport.block(value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
        finally:
            transport.close()

    asyncio.run(block())


def far_end_wait(value: object) -> object:
    return udpping.testing.FarEnd().wait(0, value)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def keyword(function: Callable[..., object], name: str, **others: object) -> Callable[[object], object]:
    return lambda value: function(**others, **{name: value})


PING = ("timeout", "interval", "linger", "spin")
CALLS: dict[tuple[str, str], Callable[[object], object]] = {
    **{("ping", name): keyword(udpping.ping, name) for name in PING},
    **{("ping_many", name): keyword(udpping.ping_many, name, targets=["localhost:9"]) for name in PING},
    **{("Pinger", name): keyword(udpping.Pinger, name) for name in PING},
    ("live", "every"): keyword(udpping.live, "every"),
    **{("sim.ping", name): keyword(sim.ping, name) for name in PING[:-1]},
    **{("sim.heartbeat", name): keyword(sim.heartbeat, name) for name in ("duration", "interval")},
    ("compare_detectors", "interval"): keyword(udpping.compare_detectors, "interval", trace="10%"),
    **{("Heartbeat", name): keyword(udpping.Heartbeat, name) for name in ("interval", "touch")},
    ("Heartbeat.wait", "seconds"): heartbeat_wait,
    **{("Monitor", name): keyword(udpping.Monitor, name, port=0) for name in ("interval", "idle")},
    ("Monitor.next_event", "seconds"): next_event,
    ("Server.next_event", "seconds"): next_event_of_server,
    **{("Relay", name): keyword(udpping.Relay, name, to="127.0.0.1:9") for name in ("idle", "spin")},
    ("Relay.block", "seconds"): relay_block,
    **{
        (name, argument): keyword(function, argument, client="tcp://127.0.0.1:9")
        for name, function in (("mesh", udpping.mesh), ("Mesh.watch", udpping.Mesh.watch))
        for argument in ("interval", "timeout")
    },
    ("Relay.next_event", "seconds"): next_event_of_relay,
    ("Pinger.next_event", "seconds"): next_event_of_pinger,
    ("aio.Pinger.next_event", "seconds"): next_event_of_aio,
    ("aio.LinkTransport.block", "seconds"): transport_block,
    **{
        ("stats.rolling", name): keyword(stats.rolling, name, table=[], **others)
        for name, others in (("seconds", {}), ("step", {"seconds": 1}))
    },
    **{
        (f"loss.{name}.stream", "interval"): keyword(loss.Every(3).stream, "interval")
        for name in loss.__all__
    },
    ("loss.GilbertElliottTime", "good"): keyword(loss.GilbertElliottTime, "good", bad=1),
    ("loss.GilbertElliottTime", "bad"): keyword(loss.GilbertElliottTime, "bad", good=1),
    ("delay.Fixed", "seconds"): keyword(delay.Fixed, "seconds"),
    ("delay.Uniform", "low"): keyword(delay.Uniform, "low", high=1),
    ("delay.Uniform", "high"): keyword(delay.Uniform, "high", low=1),
    ("delay.Exponential", "mean"): keyword(delay.Exponential, "mean"),
    ("delay.Exponential", "base"): keyword(delay.Exponential, "base", mean=1),
    ("delay.LogNormal", "median"): keyword(delay.LogNormal, "median", sigma=1),
    ("delay.LogNormal", "base"): keyword(delay.LogNormal, "base", median=1, sigma=1),
    ("delay.Gamma", "mean"): keyword(delay.Gamma, "mean", shape=1),
    ("delay.Gamma", "base"): keyword(delay.Gamma, "base", mean=1, shape=1),
    ("delay.Normal", "mean"): keyword(delay.Normal, "mean", sigma=1),
    ("delay.Normal", "sigma"): keyword(delay.Normal, "sigma", mean=1),
    ("delay.Pareto", "scale"): keyword(delay.Pareto, "scale", shape=30),
    ("delay.Pareto", "base"): keyword(delay.Pareto, "base", scale=1, shape=30),
    ("delay.Weibull", "scale"): keyword(delay.Weibull, "scale", shape=1),
    ("delay.Weibull", "base"): keyword(delay.Weibull, "base", scale=1, shape=1),
    ("delay.Uniform", "floor"): keyword(delay.Uniform, "floor", low=1, high=1),
    ("delay.Exponential", "floor"): keyword(delay.Exponential, "floor", mean=1),
    ("delay.LogNormal", "floor"): keyword(delay.LogNormal, "floor", median=1, sigma=1),
    ("delay.Gamma", "floor"): keyword(delay.Gamma, "floor", mean=1, shape=1),
    ("delay.Normal", "floor"): keyword(delay.Normal, "floor", mean=1, sigma=1),
    ("delay.Pareto", "floor"): keyword(delay.Pareto, "floor", scale=1, shape=30),
    ("delay.Weibull", "floor"): keyword(delay.Weibull, "floor", scale=1, shape=1),
    ("delay.Table", "floor"): keyword(delay.Table, "floor", quantiles=[1, 2]),
    ("delay.Empirical", "floor"): keyword(delay.Empirical, "floor", measured=[1]),
    ("delay.Trace", "floor"): keyword(delay.Trace, "floor", trace=[1]),
    ("detect.Phi", "min_std"): keyword(detect.Phi, "min_std"),
    ("detect.Phi", "pause"): keyword(detect.Phi, "pause"),
    ("detect.Chen", "margin"): keyword(detect.Chen, "margin"),
    ("detect.TwoWindows", "margin"): keyword(detect.TwoWindows, "margin"),
    ("testing.Reply", "after"): keyword(udpping.testing.Reply, "after"),
    ("testing.Refuse", "seconds"): keyword(udpping.testing.Refuse, "seconds"),
    ("testing.FarEnd.wait", "timeout"): far_end_wait,
}
"""A call for each argument that takes a duration."""
FLOATS = {
    *("days", "jitter", "drift_ppm", "confidence", "threshold", "sigma", "shape", "q", "accuracy"),
    *("loss_good", "loss_bad", "alpha", "p", "r", "loss", "mean_run", "correlation"),
}
"""Arguments that take a float which is no duration."""


def callables() -> Iterator[tuple[str, Callable[..., object]]]:
    """List what users call, and the methods of that."""
    modules = {"": udpping, **{f"{name}.": getattr(udpping, name) for name in udpping.__all__}}
    modules["testing."] = udpping.testing
    for prefix, module in modules.items():
        if not isinstance(module, ModuleType):
            continue
        for name in getattr(module, "__all__", ()):
            each = getattr(module, name)
            if inspect.isclass(each):
                if prefix == "testing." or not is_dataclass(each):  # else it is a result
                    yield prefix + name, each.__init__
                for method, function in inspect.getmembers(each, inspect.isfunction):
                    if not method.startswith("_"):
                        yield f"{prefix}{name}.{method}", function
            elif callable(each):
                yield prefix + name, each


def test_every_argument_that_takes_a_duration_is_in_the_table() -> None:
    found: set[tuple[str, str]] = set()
    for name, function in callables():
        for argument, annotation in getattr(function, "__annotations__", {}).items():
            kinds = str(annotation).strip("\"'").split(" | ")
            if name.startswith("theory."):  # also sequences and exact fractions
                continue
            if "Duration" in kinds:
                found.add((name, argument))
            elif "float" in kinds and {*kinds} <= {"float", "int", "None"} and argument != "return":
                assert argument in FLOATS, f"{name}({argument}=)"
    assert found == set(CALLS)


@pytest.mark.parametrize(("name", "argument"), CALLS)
def test_every_argument_that_takes_a_duration_reads_it_alike(name: str, argument: str) -> None:
    call = CALLS[name, argument]
    for value in (*BAD, True, [1]):
        told = refused(call, argument, value)
        assert "with ns, us, ms, s, m, h or d (500ms)" in told


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_the_same_time_for_every_consumer(text: str) -> None:
    nanos = TEXTS[text]
    read = _core.read_duration(text, 0, CENTURY, unit=False)
    assert read == nanos
    for value in (text, timedelta(microseconds=nanos / 1e3) if nanos % 1_000 == 0 else text):
        if 1_000 <= nanos <= DAY:
            run = sim.ping(count=2, interval=value, timeout=value)
            assert run.row(1).due_ns == nanos
            assert run.settings["timeout"] == nanos / 1e9
        if nanos < 10 * 10**9:
            assert delay.Fixed(value) == delay.Delay(f"{nanos}ns") == delay.Delay(text)
            assert str(detect.Chen(value)) == str(detect.Detector(f"chen:{text}"))
        assert udpping.testing.Refuse(value).seconds == nanos / 1e9
    texts = ["".join(text.split()), f"{nanos}ns"]
    seen = [sim.heartbeat([f"crash@{each}"], duration="2d", interval="1m", seed=1) for each in texts]
    assert list(seen[0].events) == list(seen[1].events)


def test_every_text_is_read_to_the_nanosecond() -> None:
    drawn = random.Random(1)
    for _ in range(300):
        nanos = drawn.randrange(10 ** drawn.randrange(1, 14))
        units = {
            "us": 10**3,
            "ms": 10**6,
            "s": 10**9,
            "": 10**9,
            "m": MINUTE,
            "h": 60 * MINUTE,
            "d": DAY,
        }
        texts = [f"{nanos}ns", *(f"{Decimal(nanos) / size:f}{unit}" for unit, size in units.items())]
        for text in texts:
            assert _core.read_duration(text, 0, DAY, unit=False) == nanos, text
            seconds = udpping.testing.Reply(after=text).after
            assert isinstance(seconds, float)
            assert round(seconds * 1e9) == nanos, text
        if nanos >= 1_000:
            assert sim.ping(count=2, interval=texts[0], timeout=1).row(1).due_ns == nanos


def test_a_number_stays_the_float_that_it_is() -> None:
    assert sim.ping(count=1, timeout=1 / 3).settings["timeout"] == 1 / 3
    assert udpping.testing.Reply(after=0.1) == udpping.testing.Reply(after="100ms")


def test_durations_of_numpy_and_pandas_will_do() -> None:
    np, pd = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    for value in (np.timedelta64(250, "ms"), pd.Timedelta("250ms"), np.float32(0.25), np.str_("250ms")):
        assert sim.ping(count=1, timeout=value).settings["timeout"] == 0.25
    refused(keyword(delay.Fixed, "seconds"), "seconds", np.timedelta64("NaT", "ms"))


def test_the_theory_reads_durations_exactly() -> None:
    theory = udpping.theory
    assert theory.expected_wait(3, "4/11", "1s", 0) == theory.expected_wait(3, "4/11") == Fraction(181, 16)
    exact = theory.detection_time(3, interval="100ms", timeout=timedelta(milliseconds=300))
    assert exact == theory.detection_time(3, interval=Fraction(1, 10), timeout=Fraction(3, 10))
    assert theory.longest_detection_time([2, 3], interval=["1s", "0.5m"]) == [2, 90]
    for value in (*BAD, "0s", True):
        refused(keyword(theory.detection_time, "interval", misses=3), "interval", value)


HINTS = [
    (50, "delay", '"50"', "50 seconds? write 50ms or 50s"),
    (50.0, "delay", '"50"', "50 seconds? write 50ms or 50s"),
    ("50", "delay", '"50"', "50 seconds? write 50ms or 50s"),
    ("uniform:10,50", "delay", '"uniform:10,50"', "10 seconds? write 10ms or 10s"),
    ("5000", "delay", '"5000"', "5000 seconds? write 5000ms"),
]


@pytest.mark.parametrize(("value", "name", "shown", "hint"), HINTS)
def test_a_delay_of_ten_or_more_needs_a_unit(value: str | float, name: str, shown: str, hint: str) -> None:
    told = f"{name} {shown} is not usable: expected a unit: {hint}"
    for call in (keyword(udpping.Server, "delay", port=0), keyword(sim.ping, "delay")):
        with pytest.raises(ConfigError) as caught:
            call(value)
        assert str(caught.value) == told


def test_a_time_of_reordering_is_read_as_a_delay_is() -> None:
    assert str(udpping.Link("reorder=5%,3")) == "reorder=0.05,3s"
    for text, hint in (("30", "30 seconds? write 30ms or 30s"), ("5000", "5000 seconds? write 5000ms")):
        with pytest.raises(ConfigError) as caught:
            udpping.Link(reorder=f"5%,{text}")
        assert str(caught.value) == f'reorder "5%,{text}" is not usable: expected a unit: {hint}'
    for text in ("0", "2h", "soon"):
        with pytest.raises(ConfigError, match="how long to delay those datagrams, up to 1 hour"):
            udpping.Link(reorder=f"5%,{text}")


def test_a_delay_with_its_unit_is_what_it_says() -> None:
    for value in ("50s", timedelta(seconds=50), delay.Fixed("50s"), delay.Delay("50s")):
        assert udpping.Server(port=0, delay=value).delay == "50s"
    assert udpping.Server(port=0, delay=9.5).delay == "9.5s"
    assert refused(keyword(delay.Fixed, "seconds"), "seconds", 50).endswith(
        "expected a unit: 50 seconds? write 50ms or 50s"
    )
    assert str(detect.Chen(20)) == "chen:20s"


@pytest.mark.parametrize(
    "text", ["50s", "uniform:20s,3600s", "exponential:20s,base=30s", "gamma:mean=20s,shape=20,base=10s"]
)
def test_what_a_model_says_is_read_again(text: str) -> None:
    assert str(delay.Delay(text)) == text
    assert delay.Delay(str(delay.Delay(text))) == delay.Delay(text)
