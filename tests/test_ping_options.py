"""What can be asked of a ping beside the schedule, and what is refused, each with one clear line."""

from __future__ import annotations

import asyncio
import errno
import inspect
import itertools
import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import statuses, wait_until
from udpping._args.options import PING
from udpping.testing import FarEnd, Received, Reply, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
IPV6 = pytest.param("::1", marks=pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here"))


PING_ONLY = ("bind", "ttl", "dscp", "df", "broadcast", "family", "busy", "spin", "key")
OTHERS: dict[str, Any] = {
    "count": 2,
    "timeout": 0.75,
    "interval": 0.001,
    "linger": 0.0,
    "misses": 5,
    "size": 60,
    "bind": LOOPBACK,
    "ttl": 9,
    "dscp": 3,
    "df": sys.platform == "linux",
    "broadcast": True,
    "family": "ipv4",
    "message": "Say {seq} {time}",
    "first_seq": 4,
    "schedule": "pair",
    "seed": 3,
    "busy": True,
    "spin": 0.01,
}


@pytest.mark.parametrize("function", [udpping.ping, udpping.ping_many, udpping.Pinger, udpping.sim.ping])
def test_a_keyword_has_one_default_wherever_it_is(function: Callable[..., object]) -> None:
    defaults = {name: default for name, (_, default) in PING.items()}
    told = {name: each.default for name, each in inspect.signature(function).parameters.items()}
    if function is udpping.sim.ping:
        assert defaults.keys() - told.keys() == set(PING_ONLY)
    else:
        assert defaults.keys() <= told.keys()
    assert {name: told[name] for name in defaults if name in told} == {
        name: default for name, default in defaults.items() if name in told
    }


def test_every_keyword_is_handed_on() -> None:
    # test_stamp.py has the others, with which there is no message.
    assert OTHERS.keys() == PING.keys() - {"protocol", "key"}
    with udpping.Server(LOOPBACK, port=0) as server:
        runs = [
            udpping.ping(*server.address, **OTHERS),
            udpping.ping_many([server.address], **OTHERS),
            udpping.Pinger(*server.address, **OTHERS).run(),
            udpping.live(*server.address, **OTHERS),
            asyncio.run(udpping.aio.ping(*server.address, **OTHERS)),
            asyncio.run(udpping.aio.ping_many([server.address], **OTHERS)),
        ]
    for run in runs:
        assert {name: run.settings[name] for name in OTHERS} == OTHERS
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        udpping.live(colour="red")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    words = {
        name: value
        for name, value in OTHERS.items()
        if name in inspect.signature(udpping.sim.ping).parameters
    }
    run = udpping.sim.ping(**words)
    assert {name: run.settings[name] for name in words} == words


@pytest.mark.parametrize("size", [64, 1_024, 9_000, 65_507])
def test_size_is_the_length_on_the_wire_padded_by_spaces(size: int) -> None:
    with FarEnd() as far:
        run = udpping.ping(*far.address, count=2, size=size, timeout=5)
        payloads = [request.payload for request in far.received]
    assert [len(payload) for payload in payloads] == [size] * 2
    assert [payload.rstrip(b" ").count(b" ") for payload in payloads] == [2, 2]
    assert [row.bytes for row in run] == [size] * 2
    assert [row.reply for row in run] == [payload[:1_024] for payload in payloads]


@pytest.mark.parametrize("host", [LOOPBACK, IPV6])
@pytest.mark.parametrize(("ttl", "dscp"), [(1, 46), (255, 63), (64, 0)])
def test_the_far_end_sees_ttl_and_dscp(host: str, ttl: int, dscp: int) -> None:
    with FarEnd(host=host) as far:
        run = udpping.ping(*far.address, count=1, ttl=ttl, dscp=dscp, timeout=5)
        (request,) = far.received
    assert (request.ttl, request.tos) == (ttl, dscp << 2)
    assert statuses(run) == ["reply"]


@pytest.mark.parametrize("host", [LOOPBACK, IPV6])
def test_the_hops_that_a_reply_has_left_are_in_its_row(host: str) -> None:
    with FarEnd(host=host, ttl=77) as far:
        run = udpping.ping(*far.address, count=1, timeout=5)
    assert [row.ttl for row in run] == [77]


def test_bind_is_where_the_pings_come_from() -> None:
    with FarEnd() as far:
        udpping.ping(*far.address, count=1, bind="127.0.0.3", timeout=5)
        assert far.received[0].client[0] == "127.0.0.3"


def test_family_insists_on_one_version(tmp_path: Path) -> None:
    """In a mount namespace of its own, with a file for /etc/hosts in which the name has both."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no mount namespace")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 both.test\n::1 both.test\n")
    script = f"""
import json, subprocess, udpping
subprocess.run(["mount", "--bind", {str(hosts)!r}, "/etc/hosts"], check=True)
with udpping.Server("::", 0) as server:
    port = server.bound[1]
    runs = [udpping.ping("both.test", port, count=1, timeout=5, family=f) for f in ("ipv4", "ipv6")]
print(json.dumps([port, *[row.source for run in runs for row in run]]))
"""
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", script],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    port, four, six = json.loads(done.stdout)
    assert (four, six) == (f"127.0.0.1:{port}", f"[::1]:{port}")


def test_a_name_without_a_family_means_ipv4_first() -> None:
    with udpping.Server(port=0) as server:
        assert statuses(udpping.ping("localhost", server.bound[1], count=1, timeout=5)) == ["reply"]


def test_a_wildcard_as_target_is_this_machine() -> None:
    with udpping.Server(port=0) as server:
        assert statuses(udpping.ping("0.0.0.0", server.bound[1], count=1, timeout=5)) == ["reply"]  # noqa: S104


REFUSED: list[tuple[str, Any]] = [
    *(("count", value) for value in (0, -1)),
    *(("timeout", value) for value in (0, 0.0000005, -1, float("nan"), float("inf"), 100_000)),
    *(("interval", value) for value in (0, -0.5, float("nan"))),
    *(("linger", value) for value in (-1, float("nan"))),
    *(("size", value) for value in (-1, 0, 10, 65_508)),
    *(("ttl", value) for value in (0, -1, 256)),
    *(("dscp", value) for value in (-1, 64)),
    *(("port", value) for value in (0, -1, 70_000)),
    *(("family", value) for value in ("x", "", "IPv5")),
    *(("bind", value) for value in ("nonsense", "", "127.0.0.256", "::1")),
    ("host", ""),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=str)
def test_a_bad_value_is_one_line_with_its_name_and_what_is_expected(name: str, value: Any) -> None:  # noqa: ANN401
    options: dict[str, Any] = {"host": LOOPBACK, "port": 9, "count": 1, "timeout": 0.1, name: value}
    for call in (udpping.ping, udpping.Pinger):
        with pytest.raises(udpping.ConfigError) as caught:
            call(**options)
        text = str(caught.value)
        assert text.startswith(f"{name} ")
        assert " is not usable: expected " in text
        assert str(value).lower() in text.lower()
        assert "\n" not in text
        assert isinstance(caught.value, ValueError)


def test_ping_has_an_end_and_says_who_goes_on_for_ever() -> None:
    with pytest.raises(udpping.ConfigError, match="Pinger"):
        udpping.ping(LOOPBACK, count=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_an_unknown_host_is_an_address_error_that_names_it() -> None:
    with pytest.raises(udpping.AddressError, match=r"no-such-host\.invalid") as caught:
        udpping.ping("no-such-host.invalid")
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, udpping.NetworkError)


@pytest.mark.parametrize(("host", "family"), [("::1", "ipv4"), (LOOPBACK, "ipv6")])
def test_an_address_of_the_other_version_is_an_address_error(host: str, family: str) -> None:
    with pytest.raises(udpping.AddressError, match="IPv"):
        udpping.ping(host, family=family)


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    with pytest.raises(udpping.NetworkError, match=r"192\.0\.2\.1") as caught:
        udpping.ping(LOOPBACK, free_port(), bind="192.0.2.1")
    assert caught.value.errno == errno.EADDRNOTAVAIL


# What follows needs a network of its own: `unshare` gives one with nothing in it but a loopback that is down.
LONELY = ["unshare", "--user", "--map-root-user", "--net"]
NETWORK = """
import fcntl, json, socket, struct, sys, udpping

def loopback(request, value):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, request, struct.pack("16si12x", b"lo", value))

def up():
    loopback(0x8914, 0x49)  # SIOCSIFFLAGS: up, running, loopback

def set_mtu(mtu):
    loopback(0x8922, mtu)  # SIOCSIFMTU

def attempt(*args, **options):
    try:
        return [row.status for row in udpping.ping(*args, **options)]
    except udpping.UdppingError as error:
        return [type(error).__name__, error.errno, str(error)]
"""


def in_a_network_of_its_own(script: str) -> Any:  # noqa: ANN401 - whatever the script prints
    try:
        subprocess.run([*LONELY, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("`unshare --user --net` is not allowed or not there")
    done = subprocess.run(
        [*LONELY, sys.executable, "-c", NETWORK + script],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_route_is_a_network_error_with_its_errno() -> None:
    kind, number, text = in_a_network_of_its_own('print(json.dumps(attempt("192.0.2.1", 9, count=1)))')
    assert (kind, number) == ("NetworkError", errno.ENETUNREACH)
    assert "192.0.2.1:9" in text
    assert "no route" in text
    assert "\n" not in text


def test_df_does_not_send_what_the_path_does_not_take_whole() -> None:
    """Over a link of 1,500 bytes 1,472 of payload fit; one more goes only in fragments."""
    refused, fits, fragmented = in_a_network_of_its_own("""
up()
set_mtu(1500)
with udpping.Server(port=0, reply="x") as server:
    print(json.dumps([
        attempt(*server.address, count=2, size=1473, df=True, timeout=2),
        attempt(*server.address, count=2, size=1472, df=True, timeout=2),
        attempt(*server.address, count=2, size=1473, timeout=2),
    ]))
""")
    assert refused == ["error"] * 2
    assert fits == ["reply"] * 2
    assert fragmented == ["reply"] * 2


def test_a_ping_that_cannot_leave_any_more_is_an_error_row() -> None:
    """The link shrinks during the run. The pings after that count as sent and lost, and the run goes on."""
    statuses, errors, sent, empty = in_a_network_of_its_own("""
up()
with udpping.Server(port=0, reply="x") as server:
    pinger = udpping.Pinger(*server.address, count=None, size=2000, df=True, interval=0.02, timeout=20)
    with pinger:
        for row in pinger:
            if row.seq == 3:
                set_mtu(1500)
            if pinger.summary.errors >= 3:
                break
    run = pinger.so_far()
    rows = list(run)
    empty = [row.sent_ns is None and row.rtt_ns is None for row in rows if row.status == "error"]
    print(json.dumps([[row.status for row in rows], run.summary.errors, run.summary.sent, all(empty)]))
""")
    replies = statuses.count("reply")
    assert replies >= 3
    assert statuses == ["reply"] * replies + ["error"] * errors
    assert errors >= 3
    assert sent == replies + errors
    assert empty


@pytest.mark.parametrize("busy", [False, True])
def test_a_ping_that_cannot_leave_is_not_blamed_on_those_that_are_out(*, busy: bool) -> None:
    """The link shrinks while replies are on their way: they come, however many sends then fail."""
    statuses = in_a_network_of_its_own(
        f"busy = {busy}"
        """
import time
up()
with udpping.Server(port=0, delay=0.5) as server:
    pinger = udpping.Pinger(
        *server.address, count=None, size=2000, df=True, interval=0.1, timeout=20, busy=busy
    )
    with pinger:
        while pinger.summary.pending < 3:
            time.sleep(0.01)
        set_mtu(1500)
        while not pinger.summary.errors or pinger.summary.pending:
            time.sleep(0.01)
        run = pinger.so_far()
    print(json.dumps([row.status for row in run]))
"""
    )
    assert "error" in statuses, statuses
    sent = statuses.index("error")
    assert sent >= 3
    assert statuses == ["reply"] * sent + ["error"] * (len(statuses) - sent)


def test_every_icmp_error_is_about_one_ping_and_ends_no_run() -> None:
    """A raw socket forges what routers and firewalls say of ping 2; Linux has a different errno for each."""
    statuses = in_a_network_of_its_own("""
import threading
up()

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF

def refuse(raw, kind, code, request, client, server):
    udp = struct.pack("!HHHH", client[1], server[1], 8 + len(request), 0) + request
    home = socket.inet_aton("127.0.0.1")
    quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, home, home) + udp
    quoted += bytes(len(quoted) % 2)
    rest = struct.pack("!HH", 0, 1280)  # the path's MTU, for those who tell it
    sum_of = checksum(struct.pack("!BBH", kind, code, 0) + rest + quoted)
    raw.sendto(struct.pack("!BBH", kind, code, sum_of) + rest + quoted, ("127.0.0.1", 0))

def far_end(sock, kind, code):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    for number in (1, 2, 3):
        request, client = sock.recvfrom(2048)
        if number == 2:
            refuse(raw, kind, code, request, client, sock.getsockname())
        else:
            sock.sendto(request.upper(), client)

told = {}
for kind, code in [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (3, 7), (3, 8), (3, 13), (11, 0), (12, 0)]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=far_end, args=(sock, kind, code))
        thread.start()
        told[f"{kind}/{code}"] = attempt(*sock.getsockname(), count=3, timeout=5, linger=0)
        thread.join()
print(json.dumps(told))
""")
    assert set(map(tuple, statuses.values())) == {("reply", "unreachable", "reply")}, statuses


def test_a_schedule_is_kept_and_repeats_with_its_seed() -> None:
    with udpping.Server(port=0) as server:
        runs = [
            udpping.ping(*server.address, count=20, interval=0.001, timeout=5, schedule="poisson", seed=seed)
            for seed in (5, 5, 6)
        ]
    first, again, other = (run["due_ns"].to_list() for run in runs)
    assert first == again != other
    assert first == udpping.sim.ping(count=20, interval=0.001, schedule="poisson", seed=5)["due_ns"].to_list()
    assert [run.seed for run in runs] == [5, 5, 6]


def test_targets_have_random_schedules_of_their_own() -> None:
    with udpping.Server(port=0) as one, udpping.Server(port=0) as two:
        run = udpping.ping_many(
            [one.address, two.address], count=5, interval=0.001, timeout=5, schedule="uniform", seed=1
        )
    due = [row.due_ns or 0 for row in run]
    gaps = [[b - a for a, b in itertools.pairwise(times)] for times in (due[:5], due[5:])]
    assert gaps[0] != gaps[1]


def test_a_schedule_needs_an_interval() -> None:
    with pytest.raises(udpping.ConfigError, match="interval"):
        udpping.ping("127.0.0.1", 9, schedule="poisson")
    with pytest.raises(udpping.ConfigError, match="train:10"):
        udpping.sim.ping(interval=1, schedule="often")


def test_a_late_sender_says_how_often_it_was_behind() -> None:
    """A million pings a second are more than any machine sends, and none is left out."""
    with udpping.Server(port=0, loss=1) as server:
        run = udpping.ping(*server.address, count=2000, interval=0.000001, timeout=0.01, linger=0)
    assert run.summary.behind
    assert "behind schedule" in repr(run.summary)
    assert run["due_ns"].to_list() == [1000 * i for i in range(2000)]


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("spin", [0, 0.001, None])
def test_spinning_changes_no_result(*, busy: bool, spin: float | None) -> None:
    with udpping.Server(port=0, loss="pattern:.x") as server:
        run = udpping.ping(*server.address, count=6, interval=0.005, timeout=2, busy=busy, spin=spin)
    assert [row.status for row in run] == ["reply", "timeout"] * 3
    assert all(
        row.sent_ns is not None and row.due_ns is not None and row.sent_ns >= row.due_ns for row in run
    )
    assert (run.summary.foreign is None) is busy


def test_spin_has_a_range() -> None:
    for spin in (-0.1, 1.5, float("nan")):
        with pytest.raises(udpping.ConfigError, match="spin"):
            udpping.ping("127.0.0.1", 9, spin=spin)


def test_a_long_silence_does_not_make_a_busy_pinger_deaf() -> None:
    """Stamps of sending that nobody takes fill the room for replies; 21,000 are more than it holds.

    The far end may not keep up, so it answers the first pings after the silence that do reach it.
    """
    silent, answers = 21_000, 100
    answered = 0

    def answer_the_last(ping: Received) -> Reply | None:
        nonlocal answered
        if answered == answers or int(ping.payload.split()[1]) <= silent:
            return None
        answered += 1
        return Reply()

    with FarEnd(answer_the_last) as far:
        pinger = udpping.Pinger(*far.address, count=None, interval=0.00005, timeout=60, busy=True)
        with pinger:
            wait_until(lambda: answered == answers, 60)
            wait_until(lambda: pinger.summary.received + (pinger.summary.kernel_drops or 0) >= answers, 60)
        assert (pinger.summary.received, pinger.summary.kernel_drops) == (answers, 0)
