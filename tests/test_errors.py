"""Errors: one line each, with the value, what is accepted, and the right class."""

from __future__ import annotations

import contextlib
import errno
import pickle
import signal
import time
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import wait_until, waits
from udpping import ConfigError
from udpping.testing import FarEnd, Reply

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

pytestmark = pytest.mark.python

REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("1.5", lambda: udpping.Server(port=0, loss=1.5)),
    ("-0.1", lambda: udpping.Server(port=0, loss=-0.1)),
    ("nan", lambda: udpping.Server(port=0, loss=float("nan"))),
    ("12/11", lambda: udpping.Server(port=0, loss=Fraction(12, 11))),
    ("True", lambda: udpping.Server(port=0, loss=True)),
    ("-1", lambda: udpping.Server(port=0, delay=-1)),
    ("{colour}", lambda: udpping.Server(port=0, reply="{colour}")),
    ("everybody", lambda: udpping.Server(port=0, scope="everybody")),
    ("65536", lambda: udpping.Server(port=65_536)),
    ("0", lambda: udpping.Server(port=0, port_tries=0)),
    ("65", lambda: udpping.Server(port=0, workers=65)),
    ("0", lambda: udpping.ping(count=0)),
    ("None", lambda: udpping.ping(count=None)),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("-1", lambda: udpping.ping(timeout=-1)),
    ("0", lambda: udpping.ping(port=0)),
    ("70000", lambda: udpping.ping(size=70_000)),
    ("256", lambda: udpping.ping(ttl=256)),
    ("64", lambda: udpping.ping(dscp=64)),
    ("ipv5", lambda: udpping.ping(family="ipv5")),
    ("nowhere", lambda: udpping.ping(bind="nowhere")),
    ("[]", lambda: udpping.ping_many([])),
    ("localhost", lambda: udpping.ping_many("localhost")),
    ("localhost:0", lambda: udpping.ping_many(["localhost:0"])),
    ("[::1", lambda: udpping.ping_many(["[::1"])),
    ("0", lambda: udpping.loss.Every(0)),
    (".o.", lambda: udpping.loss.Pattern(".o.")),
    ("sigma -1 is not usable: expected 0 to 80", lambda: udpping.delay.LogNormal(0.005, -1)),
    ("sigma nan is not", lambda: udpping.delay.LogNormal(0.005, float("nan"))),
    ("sigma 1e+300 is not", lambda: udpping.delay.LogNormal(0.005, 1e300)),
    ("sigma=3,base=0", lambda: udpping.delay.LogNormal(0.005, 3)),
    ("shape 0.09 is not usable: expected 0.1 to 1000", lambda: udpping.delay.Gamma(0.005, 0.09)),
    ("shape inf is not", lambda: udpping.delay.Gamma(0.005, float("inf"))),
    ("mean -1 is not usable: expected 0 to 1h: seconds", lambda: udpping.delay.Exponential(-1)),
    ("base 1e+300 is not", lambda: udpping.delay.Gamma(0.005, 2, base=1e300)),
    ("interval 1e+300 is not usable", lambda: udpping.Heartbeat(interval=1e300)),
    ("timeout -1e+300 is not usable", lambda: udpping.ping(timeout=-1e300)),
    ("timeout 1e-300 is not usable", lambda: udpping.ping(timeout=1e-300)),
    ("timeout 86400.25 is not usable", lambda: udpping.ping(timeout=86400.25)),
    ("uniform:2s,1s", lambda: udpping.delay.Uniform(2, 1)),
    ("0", lambda: udpping.sim.ping(count=0)),
    ('loss "30" is not usable', lambda: udpping.Server(port=0, loss=30)),
    ('for 30 percent write "30%"', lambda: udpping.Server(port=0, loss=30)),
    ("loss of this size is not", lambda: udpping.Server(port=0, loss=10**5000)),
    ('loss "randint:10,0,4" is not', lambda: udpping.Server(port=0, loss="randint:10,0,4")),
    ("one of udpping.delay", lambda: udpping.Server(port=0, delay=udpping.loss.Bernoulli(0.5))),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("one of udpping.loss", lambda: udpping.Server(port=0, loss=udpping.delay.Fixed(0))),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("one of udpping.detect", lambda: udpping.Monitor(port=0, detector=udpping.delay.Fixed(3))),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("such as Fixed(3)", lambda: udpping.Monitor(port=0, detector=udpping.detect.Fixed)),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
]


@pytest.mark.parametrize(("value", "call"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_a_bad_value_is_named_on_one_line(value: str, call: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        call()
    assert value in str(caught.value)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


def call(function: Callable[..., object], name: str, value: object) -> Callable[[], object]:
    return lambda: function(**{name: value})


WHOLE = ["0", None, 1.5, True, [3], 2**70, -(2**70)]
SECONDS = ["soon", [1], True, 1j]
TEXTS = [5, b"text", True]
FLAGS = ["yes", 1]
PING: dict[str, list[object]] = {
    "count": [*WHOLE],
    **{
        name: [each for each in WHOLE if each is not None]
        for name in ("port", "size", "ttl", "dscp", "misses")
    },
    "first_seq": [*WHOLE],
    "message": [*TEXTS, None],
    "timeout": [*SECONDS, None],
    **{name: [*SECONDS] for name in ("interval", "linger")},
    "host": [*TEXTS, None],
    **{name: [*TEXTS] for name in ("bind", "family")},
    **{name: [*FLAGS, None] for name in ("df", "broadcast")},
}
SERVER: dict[str, list[object]] = {
    "host": [*TEXTS, None],
    **{name: [*WHOLE] for name in ("port", "port_tries", "workers")},
    **{name: ["much", None, [1], b"0"] for name in ("loss", "delay")},
    "reply": [*TEXTS, None],
    "seed": ["0", 1.5, True, 10**5_000],
    "scope": [*TEXTS],
    **{name: [*FLAGS, None] for name in ("record", "gso")},
}
SIM = {
    name: PING.get(name, []) + SERVER.get(name, []) for name in ("count", "timeout", "size", "seed", "reply")
}
KINDS: list[tuple[str, Callable[[], object]]] = [
    *((name, call(udpping.ping, name, value)) for name in PING for value in PING[name]),
    *((name, call(udpping.Server, name, value)) for name in SERVER for value in SERVER[name]),
    *((name, call(udpping.sim.ping, name, value)) for name in SIM for value in SIM[name]),
    ("targets", call(udpping.ping_many, "targets", 5)),
    ("target", call(udpping.ping_many, "targets", [5])),
    ("target", call(udpping.ping_many, "targets", [("localhost",)])),
    ("port", call(udpping.ping_many, "targets", [("localhost", "12000")])),
    ("loss", call(udpping.loss.Loss, "text", 5)),
    ("loss list", call(udpping.loss.List, "numbers", "37")),
    ("loss list", call(udpping.loss.List, "numbers", 3)),
    ("loss list", call(udpping.loss.List, "numbers", [1.5])),
    ("loss trace", call(udpping.loss.Trace, "trace", ".x")),
    ("loss trace", call(udpping.loss.Trace, "trace", ["reply", "timeout"])),
    ("loss", call(udpping.loss.Trace, "trace", [])),
    ("delay", call(udpping.delay.Delay, "text", 5)),
    ("seconds", call(udpping.delay.Fixed, "seconds", "soon")),
    ("mean", call(udpping.delay.Exponential, "mean", None)),
    ("row", lambda: udpping.sim.ping().row("1")),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ("key", lambda: udpping.sim.ping()[1.5]),  # type: ignore[call-overload] # pyright: ignore[reportArgumentType, reportCallIssue]
]


@pytest.mark.parametrize(("name", "call"), KINDS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(KINDS)])
def test_an_argument_of_the_wrong_kind_is_named_on_one_line(name: str, call: Callable[[], object]) -> None:
    with pytest.raises(ConfigError, match=rf"\A{name} [^\n]+ is not usable: expected [^\n]+\Z"):
        call()


def test_what_is_as_good_as_a_number_will_do() -> None:
    np = pytest.importorskip("numpy")
    run = udpping.sim.ping(
        count=np.int64(3), timeout=np.float32(0.5), delay=np.float64(0.01), seed=np.uint64(7)
    )
    assert (len(run), run.seed) == (3, 7)
    assert str(udpping.loss.List(np.array([3, 7]))) == "list:3,7"
    assert str(udpping.loss.Trace(np.array([True, False]))) == "trace:x."
    assert str(udpping.loss.List([])) == "list:"


def test_a_busy_port_is_named() -> None:
    with udpping.Server(port=0) as server:
        port = server.address[1]
        with pytest.raises(udpping.PortBusyError, match=str(port)) as caught:
            udpping.Server(port=port)
        assert caught.value.errno == errno.EADDRINUSE
        with udpping.Server(port=port, port_tries=50) as neighbour:
            assert port < neighbour.address[1] < port + 50


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(udpping.AddressError, match=r"no\.\.such\.\.host"):
        udpping.ping("no..such..host")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(udpping.NetworkError) as caught:
        udpping.Server("203.0.113.1", 0)
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize(
    ("special", "general"),
    [
        (udpping.ConfigError, ValueError),
        (udpping.NetworkError, OSError),
        (udpping.PortBusyError, udpping.NetworkError),
        (udpping.AddressError, udpping.NetworkError),
        (udpping.NetworkError, udpping.UdppingError),
        (udpping.ConfigError, udpping.UdppingError),
        (udpping.Interrupted, KeyboardInterrupt),
    ],
)
def test_errors_are_what_callers_already_catch(special: type[Any], general: type[Any]) -> None:
    assert issubclass(special, general)


def test_a_reply_that_can_grow_warns_off_loopback() -> None:
    with pytest.warns(udpping.AmplificationWarning, match="more than it was sent"):
        udpping.Server("", 0, reply="{message}{message}")
    udpping.Server("127.0.0.1", 0, reply="{message}{message}")
    udpping.Server("", 0, reply="same")


INTERRUPTED = """
import sys, udpping
address = sys.argv[1], int(sys.argv[2])
try:
    {call}
except udpping.Interrupted as stopped:
    assert udpping.last_run is stopped.run
    print(len(stopped.run), stopped.run.summary.received)
"""
CALLS = {
    "ping": "udpping.ping(*address, timeout='1h')",
    "ping_many": "udpping.ping_many([address], timeout='1h')",
    "Pinger": "[row for row in udpping.Pinger(*address, timeout='1h')]",
    "Pinger.run": "udpping.Pinger(*address, timeout='1h').run()",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_ctrl_c_gives_back_what_was_measured(start: Callable[..., subprocess.Popen[str]], call: str) -> None:
    with FarEnd([Reply()]) as far:
        process = start("-c", INTERRUPTED.format(call=call), *map(str, far.address))
        far.wait(2, 60)
        # Whoever called has taken the first row once it waits for the third time from now on.
        before = waits(process.pid)
        wait_until(lambda: waits(process.pid) >= before + 3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (out, err) == ("1 1\n", "")


def test_an_interruption_is_pickled_with_its_run() -> None:
    stopped = udpping.Interrupted(udpping.sim.ping(count=3, loss="list:2"))
    loaded = pickle.loads(pickle.dumps(stopped))  # noqa: S301 - it is our own
    assert isinstance(loaded, udpping.Interrupted)
    assert (str(loaded), loaded.run.summary) == (str(stopped), stopped.run.summary)
    assert [row.status for row in loaded.run] == ["reply", "timeout", "reply"]


def test_ctrl_c_on_serve_forever_prints_the_counters(start: Callable[..., subprocess.Popen[str]]) -> None:
    program = (
        "import udpping\n"
        "server = udpping.Server(port=0)\n"
        "print(server.address[1], flush=True)\n"
        "server.serve_forever()"
    )
    process = start("-c", program)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    assert udpping.ping(port=port, count=2, timeout=20).summary.received == 2
    before = waits(process.pid)
    wait_until(lambda: waits(process.pid) >= before + 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "2 received, 2 answered, 0 dropped on purpose" in out
    assert err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize("name", ["message", "schedule", "family"])
def test_half_a_character_is_no_text(name: str) -> None:
    options: dict[str, Any] = {name: "\udcff {seq}"}
    with pytest.raises(udpping.ConfigError, match=rf"{name} '\\udcff .* text without half characters"):
        udpping.ping("127.0.0.1", **options)


LONG: list[Callable[[str], object]] = [
    lambda long: udpping.stats.loss(
        {"seq": [1], "status": [long], "copies": [1], "rtt_ns": [5], "target": ["a"]}
    ),
    lambda long: udpping.stats.loss({long: [1]}),
    lambda long: udpping.sim.ping(message="{" + long),
    lambda long: udpping.sim.ping(loss=long),
    lambda long: udpping.sim.ping(loss="." * len(long)),
    lambda long: udpping.sim.ping(schedule=long, interval=1),
    lambda long: udpping.Server(port=0, reply="{" + long),
    lambda long: udpping.Heartbeat(id=long),
    lambda long: udpping.Monitor(port=0, detector=long),
    udpping.ping,
]


@pytest.mark.untimed
@pytest.mark.parametrize("use", LONG)
def test_of_a_long_value_the_beginning_is_shown(use: Callable[[str], object]) -> None:
    with pytest.raises(udpping.UdppingError) as error:
        use("long" * 250_000)
    assert len(str(error.value)) < 1_300


GRAMMARS: dict[str, Callable[[str], object]] = {
    "loss": lambda text: udpping.sim.ping(count=1, loss=text),
    "delay": lambda text: udpping.sim.ping(count=1, delay=text),
    "schedule": lambda text: udpping.sim.ping(count=1, interval=1, schedule=text),
    "timeout": lambda text: udpping.sim.ping(count=1, timeout=text),
    "message": lambda text: udpping.sim.ping(count=1, message=text),
    "reply": lambda text: udpping.Server(port=0, reply=text),
    "detector": lambda text: udpping.Monitor(port=0, detector=text),
    "id": lambda text: udpping.Heartbeat(id=text),
    "host": udpping.Heartbeat,
}
PARTS = ["a", " ", "0", "1.", "1,", "{", "{message}", "{diff:.6f}", "%", "1h ", "4/11,", ".", "é", "(", "["]


@pytest.mark.untimed
@pytest.mark.parametrize("name", GRAMMARS)
def test_grammars_take_time_that_grows_with_the_length_and_no_faster(name: str) -> None:
    """What is eight times as long would take 64 times as long in a parser that goes back each time."""
    heads = (
        "",
        "pattern:",
        "list:",
        "gilbert-elliott:",
        "uniform:",
        "phi:",
        "calibrated:",
        "train:",
        "{",
        "[",
    )

    def seconds(text: str) -> float:
        begin = time.process_time()
        with contextlib.suppress(udpping.UdppingError):
            GRAMMARS[name](text)
        return time.process_time() - begin

    for head, part in product(heads, PARTS):
        short, long = (head + part * (length // len(part)) for length in (4_000, 32_000))
        assert seconds(long) < 0.1 + 30 * max(seconds(short) for _ in range(2)), (head, part)
