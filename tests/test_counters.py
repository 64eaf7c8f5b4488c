"""Counters stand once, in the core: the face has their names in their order, and says the same of them."""

from __future__ import annotations

import ast
import inspect

import pytest
import udpping
from udpping import _core

METRICS = _core.counter_metrics()
CLASSES = [
    ("server", udpping.Counters),
    ("relay", udpping.WayCounters),
    ("monitor", udpping.MonitorCounters),
    ("reflector", udpping.ReflectorCounters),
]


@pytest.mark.parametrize(("service", "face"), CLASSES)
def test_attributes_are_those_of_the_core(service: str, face: type[object]) -> None:
    # The text below an annotation is seen only by who reads the source.
    (parsed,) = ast.parse(inspect.getsource(face)).body
    assert isinstance(parsed, ast.ClassDef)
    names = [
        node.target.id
        for node in parsed.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]
    texts = [
        node.value.value
        for node in parsed.body[1:]
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ]
    told = {name: " ".join(str(text).split()) for name, text in zip(names, texts, strict=True)}
    if service == "monitor":
        # Text, and so no number to be counted.
        assert list(told).pop() == "unkept"
        del told["unkept"]
    metrics = METRICS[service]
    assert list(told) == [name for name, *_ in metrics]
    for name, _, _, text in metrics:
        assert told[name].startswith(text)


def test_properties_of_a_heartbeat_are_those_of_the_core() -> None:
    heartbeat = udpping.Heartbeat()
    metrics = METRICS["heartbeat"]
    counted = [name for name in heartbeat.as_dict() if name in {name for name, *_ in metrics}]
    assert counted == [name for name, *_ in metrics]
    for name, _, _, text in metrics:
        assert (inspect.getdoc(getattr(udpping.Heartbeat, name)) or "").startswith(text)


def test_what_is_counted_is_what_is_declared() -> None:
    with (
        udpping.Server(port=0) as server,
        udpping.Monitor(port=0) as monitor,
        udpping.Reflector(port=0) as reflector,
        udpping.Relay(server) as relay,
    ):
        found = {
            "server": list(server.counters.as_dict()),
            "monitor": list(monitor.counters.as_dict()),
            "reflector": list(reflector.counters.as_dict()),
            "relay": list(relay.counters.up.as_dict()),
        }
    assert found["monitor"].pop() == "unkept"
    for service, names in found.items():
        assert names == [name for name, *_ in METRICS[service]]


def test_kinds_and_units() -> None:
    gauges = {
        (service, name)
        for service, metrics in METRICS.items()
        for name, kind, _, _ in metrics
        if kind != "counter"
    }
    assert gauges == {
        ("server", "waiting"),
        ("relay", "waiting"),
        ("monitor", "clients"),
        ("monitor", "outage"),
        ("monitor", "isolated"),
        ("reflector", "sessions"),
    }
    unitless = [name for metrics in METRICS.values() for name, _, unit, _ in metrics if not unit]
    assert unitless == ["isolated"]
