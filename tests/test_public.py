"""What is offered: `dir()` has the public names and no other, and every object shows what it is."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import pytest
import udpping
from udpping import detect, stats, theory
from udpping.testing import FarEnd, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.python, pytest.mark.untimed]

MODULES = ["aio", "delay", "detect", "errors", "lab", "loss", "sim", "stats", "testing", "theory"]


@pytest.mark.parametrize("name", ["", *MODULES])
def test_dir_has_the_public_names_and_no_other(name: str) -> None:
    module = importlib.import_module(f"udpping.{name}".rstrip("."))
    assert dir(module) == sorted(module.__all__)
    assert all(hasattr(module, each) for each in dir(module))
    assert not [each for each in dir(module) if each.startswith("_") and each != "__version__"]


def ways() -> udpping.Ways:
    with udpping.Reflector(port=0) as reflector:
        return udpping.ping(reflector, protocol="stamp", count=3, timeout=5).ways[0]


def run() -> udpping.SimRun:
    return udpping.sim.ping(count=200, loss="10%", delay="exponential:5ms", seed=1)


OBJECTS: dict[str, tuple[Callable[[], object], str]] = {
    "Server": (lambda: udpping.Server(port=0, seed=1), "not running"),
    "Counters": (lambda: udpping.Server(port=0).counters, "0 received"),
    "Relay": (lambda: udpping.Relay("127.0.0.1:9", seed=1), "not running"),
    "RelayCounters": (lambda: udpping.Relay("127.0.0.1:9").counters, "up: 0 received"),
    "RelayLog": (lambda: udpping.Relay("127.0.0.1:9").log, "RelayLog: 0 rows"),
    "WayCounters": (lambda: udpping.Relay("127.0.0.1:9").counters.up, "0 received"),
    "Log": (lambda: udpping.Server(port=0).log, "Log: 0 rows"),
    "Monitor": (lambda: udpping.Monitor("127.0.0.1", 0), "0 clients"),
    "MonitorCounters": (lambda: udpping.Monitor("127.0.0.1", 0).counters, "0 received"),
    "Heartbeat": (lambda: udpping.Heartbeat("127.0.0.1", id="web1"), "web1 to 127.0.0.1 port 12001"),
    "Pinger": (lambda: udpping.Pinger("127.0.0.1"), "of 127.0.0.1:12000, 0 pings settled: not started"),
    "Pinger of several": (lambda: udpping.Pinger(["127.0.0.1", "127.0.0.2"]), "of 2 targets"),
    "aio.Pinger": (lambda: udpping.aio.Pinger("127.0.0.1"), "not open"),
    "FarEnd": (FarEnd, "127.0.0.1"),
    "Reply": (lambda: Reply(b"pong"), "pong"),
    "Target": (lambda: udpping.Target("h", dscp=46), "dscp=46"),
    "Run": (run, "200 sent"),
    "Summary": (lambda: run().summary, "200 sent"),
    "Ways": (ways, "lost up 0 of 3"),
    "Row": (lambda: run()[0], "seq=1"),
    "Column": (lambda: run()["rtt_ns"], "rtt_ns: 200 values"),
    "Settings": (lambda: run().settings, "made_by"),
    "Compared": (lambda: udpping.compare({"a": run()}), "200"),
    "Fit": (lambda: udpping.fit(run()), "200"),
    "LossFit": (lambda: udpping.fit(run()).losses[0], "independent"),
    "DelayFit": (lambda: udpping.fit(run()).delays[0], ""),
    "Watched": (lambda: udpping.sim.heartbeat(2, duration=9, seed=1), "2 clients"),
    "Peers": (lambda: udpping.sim.heartbeat(2, duration=9, seed=1).peers, "Peers: 2 rows"),
    "Events": (lambda: udpping.sim.heartbeat(2, duration=9, seed=1).events, "Events: 4 rows"),
    "loss": (lambda: udpping.loss.Burst("5%", 3), "burst:0.05,3"),
    "loss stream": (lambda: udpping.loss.Burst("5%", 3).stream(1), "burst:0.05,3"),
    "delay": (lambda: udpping.delay.Fixed(0.05), "50ms"),
    "detector": (lambda: detect.Fixed(3), "fixed:3"),
    "Comparison": (lambda: udpping.compare_detectors(run(), detectors=["fixed:3"], crashes=10), "fixed:3"),
    "stats": (lambda: stats.round_trip(run()), "RoundTrip"),
    "Digest": (lambda: stats.Digest(run()), "200"),
    "Pings": (lambda: stats.Pings(run()), "200"),
    "theory": (lambda: theory.explain(run(), "10%"), ""),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_shows_what_it_is(name: str) -> None:
    make, told = OBJECTS[name]
    shown = repr(make())
    assert not re.search("object at 0x|_core|_services|_results", shown), shown
    assert told in shown


def test_a_pinger_shows_how_far_it_is() -> None:
    with udpping.Server(port=0) as server:
        pinger = udpping.Pinger(server, count=2)
        pinger.run()
    assert repr(pinger).endswith(", 2 pings settled: over>")


def test_a_far_end_shows_what_it_has_received() -> None:
    far = FarEnd()
    assert repr(far) == "<udpping.testing.FarEnd 127.0.0.1 port 0, 0 received: not entered>"
    with far:
        udpping.ping(far, count=1, timeout=60)
        host, port = far.address
        assert repr(far) == f"<udpping.testing.FarEnd {host} port {port}, 1 received: serving>"
    assert repr(far).endswith(": over>")


@pytest.mark.parametrize("name", OBJECTS)
def test_dir_of_every_object_has_no_internal_name(name: str) -> None:
    found = OBJECTS[name][0]()
    # A named tuple is Python's, with public methods such as `_asdict`.
    internal = [each for each in dir(found) if re.match("_[^_]", each)]
    assert not internal or isinstance(found, tuple), internal
