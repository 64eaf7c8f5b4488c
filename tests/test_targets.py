"""A target can be written in any form; for a wrong keyword, the right one is suggested."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from udpping.testing import FarEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.python


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest) -> Iterator[udpping.Server]:
    with udpping.Server(request.param, 0) as server:
        yield server


def text_of(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


FORMS: dict[str, Callable[[udpping.Server], object]] = {
    "text": lambda server: text_of(server.address),
    "pair": lambda server: server.address,
    "list": lambda server: list(server.address),
    "server": lambda server: server,
    "target": lambda server: udpping.Target(*server.address),
    "target-of-text": lambda server: udpping.Target(text_of(server.address)),
}


CALLS: dict[str, Callable[[Any, dict[str, Any]], udpping.Run]] = {
    "ping": lambda target, options: udpping.ping(target, **options),
    "Pinger": lambda target, options: udpping.Pinger(target, **options).run(),
    "Pinger-of-several": lambda target, options: udpping.Pinger([target], **options).run(),
    "ping_many": lambda target, options: udpping.ping_many([target], **options),
    "live": lambda target, options: udpping.live(target, **options),
    "aio.ping": lambda target, options: asyncio.run(udpping.aio.ping(target, **options)),
    "aio.ping_many": lambda target, options: asyncio.run(udpping.aio.ping_many([target], **options)),
    "aio.Pinger": lambda target, options: asyncio.run(udpping.aio.Pinger(target, **options).run()),
}


LISTS = {("Pinger", "list"), ("aio.Pinger", "list")}  # to a Pinger, a list is several targets
BOTH = [(call, form) for call in CALLS for form in FORMS if (call, form) not in LISTS]


@pytest.mark.parametrize(("call", "form"), BOTH)
def test_every_call_takes_every_form(server: udpping.Server, call: str, form: str) -> None:
    run = CALLS[call](FORMS[form](server), {"count": 1, "timeout": 5})
    assert [row.status for row in run] == ["reply"]
    assert run.targets == (text_of(server.address),)


@pytest.mark.parametrize("form", FORMS)
def test_a_heartbeat_and_a_witness_take_every_form(form: str) -> None:
    with udpping.Monitor("127.0.0.1", 0) as monitor:
        heard = udpping.Monitor("127.0.0.1", 0, witness=FORMS[form](monitor))  # type: ignore[arg-type]
        heard.stop()
        with udpping.Heartbeat(FORMS[form](monitor), id="web1", count=1):  # type: ignore[arg-type]
            assert "web1" in (event.client for event in monitor)


def test_a_far_end_is_a_target() -> None:
    with FarEnd() as far:
        assert udpping.ping(far, count=1, timeout=5)[0].status == "reply"


SOLE = ("ping", "Pinger", "live", "aio.ping", "aio.Pinger")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", SOLE)
def test_another_port_beside_one_of_its_own_is_refused(server: udpping.Server, call: str, form: str) -> None:
    if (call, form) in LISTS:
        return
    own = server.address[1]
    assert CALLS[call](FORMS[form](server), {"port": own, "count": 1, "timeout": 5})[0].status == "reply"
    expected = f"port 12000 is not usable: expected {own}, which host has already, or no port beside that"
    with pytest.raises(udpping.ConfigError) as caught:
        CALLS[call](FORMS[form](server), {"port": 12000, "count": 1})
    assert str(caught.value) == expected


def test_another_port_beside_that_of_a_monitor_is_refused() -> None:
    with udpping.Monitor("127.0.0.1", 0) as monitor:
        for form in FORMS.values():
            with pytest.raises(udpping.ConfigError, match="port 12001 is not usable"):
                udpping.Heartbeat(form(monitor), 12001, id="web1")  # type: ignore[arg-type]


def test_targets_of_a_list_keep_their_own_ports(server: udpping.Server) -> None:
    run = udpping.ping_many([server], port=12000, count=1)
    assert run.targets == (text_of(server.address),)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", "host '' is not usable: expected host, host:port or [IPv6]:port"),
        ("[::1", "host '[::1' is not usable: expected host, host:port or [IPv6]:port"),
        ("a:b", "host 'a:b' is not usable: expected a port from 1 to 65535"),
        ("a:0", "host 'a:0' is not usable: expected a port from 1 to 65535"),
        ("a:" + "9" * 5000, "is not usable: expected a port from 1 to 65535"),
        ("::1:12050", "host '::1:12050' is not usable: expected \"[::1]:12050\", with the IPv6 address in"),
        ("fe80::1%lo:12050", 'expected "[fe80::1%lo]:12050"'),
        ("http://a:12050/x", "host 'http://a:12050/x' is not usable: expected \"a:12050\", without http://"),
        ("udp://", 'expected "host:port", without udp://'),
        ("a:\u0661", "expected a port from 1 to 65535"),
        (7, "host 7 is not usable: expected text such as"),
        (["a", "b"], "several targets go into a list for ping_many or Pinger"),
        (udpping.Target("a", dscp=99), "dscp"),
    ],
)
def test_what_is_no_target_is_named(target: str, expected: str) -> None:
    with pytest.raises(udpping.ConfigError) as caught:
        udpping.ping(target)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 200


def test_options_of_a_target_are_for_pings_alone() -> None:
    with pytest.raises(udpping.ConfigError, match="without dscp and size, which are for pings"):
        udpping.Heartbeat(udpping.Target("localhost", dscp=46))


SERVER = {"loss": "los", "delay": "dealy", "port_tries": "port_try"}
PING = {"port": "prot", "timeout": "time_out", "interval": "intervall", "count": "cuont", "misses": "mises"}
MISSPELT = [
    *((udpping.Server, wrong, right) for right, wrong in SERVER.items()),
    *((udpping.ping, wrong, right) for right, wrong in PING.items()),
    (udpping.Pinger, "announced", "announce"),
    (udpping.Monitor, "on_events", "on_event"),
    (udpping.Heartbeat, "keyname", "key_name"),
    (udpping.sim.ping, "dealy", "delay"),
    (udpping.sim.heartbeat, "drift", "drift_ppm"),
    (udpping.live, "evry", "every"),
    (udpping.live, "intervall", "interval"),
    (udpping.aio.Pinger, "keeps", "keep"),
    (udpping.loss.GilbertElliott, "lossbad", "loss_bad"),
    (udpping.delay.Gamma, "bas", "base"),
    (udpping.detect.Chen, "windows", "window"),
    (FarEnd, "tll", "ttl"),
]


@pytest.mark.parametrize(("function", "wrong", "right"), MISSPELT)
def test_a_misspelt_keyword_is_answered_with_the_right_one(
    function: Callable[..., object], wrong: str, right: str
) -> None:
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{wrong}'. Did you mean '{right}'\?"):
        function(**{wrong: 1})


def test_many_pings_and_coroutines_suggest_keywords_too() -> None:
    with pytest.raises(TypeError, match="Did you mean 'interval'"):
        udpping.ping_many([], intervall=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="Did you mean 'interval'"):
        asyncio.run(udpping.aio.ping(intervall=1))  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def test_a_keyword_like_no_other_is_only_named() -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'zzz'\Z"):
        udpping.ping(zzz=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize("function", [udpping.ping, udpping.sim.ping, udpping.Server, udpping.loss.Burst])
def test_signatures_are_those_of_the_source(function: Callable[..., object]) -> None:
    names = list(inspect.signature(function).parameters)
    assert "args" not in names
    assert "keywords" not in names
