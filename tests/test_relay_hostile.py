"""What strangers can try on a relay, and what it passes on of a datagram beside its bytes."""

from __future__ import annotations

import random
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import records
from udpping.testing import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]

HERE = "127.0.0.1"
LONG = 10.0
UDP_SEGMENT = 103
IP_PKTINFO = 8
IP_RECVTTL = 12
FEW_FILES = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, "-m", "udpping", "relay", *sys.argv[2:]])
"""


def end(host: str = HERE) -> socket.socket:
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(LONG)
    one.bind((host, 0))
    return one


@pytest.fixture
def target() -> Iterator[socket.socket]:
    with end() as far:
        yield far


def relay_of(
    start: Start, files: int, target: socket.socket
) -> tuple[subprocess.Popen[str], tuple[str, int]]:
    """Start a relay that may have so many files open, 64 of them at first."""
    host, port = target.getsockname()[:2]
    process = start("-c", FEW_FILES, str(files), "--to", f"{host}:{port}", "--json")
    assert process.stdout is not None
    (begun,) = records(process.stdout.readline())
    return process, (begun["bound"], begun["port"])


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    return records(out)[-1]


def memory(process: subprocess.Popen[str]) -> int:
    """Read how many bytes of memory a process has taken at most."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return 1_024 * int(status.split("VmHWM:")[1].split()[0])


def forged(number: int) -> tuple[int, int, bytes]:
    """Make the control message that sends from 127.1.0.0 and on."""
    address = socket.inet_aton(f"127.{1 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}")
    return socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 0, address, bytes(4))


def test_tens_of_thousands_of_forged_clients_take_no_room_from_one_that_is_answered(
    start: Start, target: socket.socket
) -> None:
    process, address = relay_of(start, 400, target)
    with end() as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        client.connect(address)

        def round_trip() -> object:
            client.send(b"real")
            while True:
                payload, source = target.recvfrom(100)
                if payload == b"real":
                    target.sendto(b"answer", source)
                    assert client.recv(100) == b"answer"
                    return source

        first, begun = round_trip(), memory(process)
        target.settimeout(LONG)
        for number in range(30_000):
            forger.sendmsg([b"x"], [forged(number)], 0, address)
            if number % 100 == 0:
                # Relay and target keep up, so that every stranger is heard.
                assert round_trip() == first
        assert round_trip() == first
        assert memory(process) - begun < 40 << 20
    counters = ended(process)
    assert counters["up"]["received"] + counters["up"]["kernel_drops"] == 30_302
    assert counters["up"]["received"] > 25_000
    assert counters["clients"] == 400 - 64
    assert (counters["refused"], counters["up"]["errors"], counters["down"]["sent"]) == (0, 0, 302)


def test_clients_beyond_the_limit_of_files_are_refused_and_the_others_stay(
    start: Start, target: socket.socket
) -> None:
    process, address = relay_of(start, 80, target)
    clients = [end() for _ in range(20)]
    for client in clients:
        client.connect(address)
    for client in clients[:16]:
        client.send(b"hello")
        target.sendto(b"answer", target.recvfrom(100)[1])
        assert client.recv(100) == b"answer"
    for client in clients[16:]:
        client.send(b"hello")
    # What comes to the relay after all of them is relayed after them.
    clients[0].send(b"last")
    assert target.recv(100) == b"last"
    for client in clients:
        client.close()
    counters = ended(process)
    assert counters["up"]["received"] == 21
    assert counters["clients"] == 16


def test_datagrams_of_any_bytes_pass_unchanged(target: socket.socket) -> None:
    draw = random.Random(7)
    with udpping.Relay(target.getsockname()) as relay, end() as client:
        client.connect(relay.address)
        for number in range(1_500):
            length = draw.choice([0, 1, draw.randrange(2_000), draw.randrange(65_508)])
            payload = draw.randbytes(length)
            client.send(payload)
            got, source = target.recvfrom(70_000)
            assert got == payload, number
            target.sendto(payload[::-1], source)
            assert client.recv(70_000) == payload[::-1], number
    assert relay.counters.up.sent == relay.counters.down.sent == 1_500


def test_a_train_is_taken_apart_before_it_is_decided_on(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname(), up="loss=pattern:.x") as relay, end() as client:
        client.connect(relay.address)
        client.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 100)
        client.send(b"".join(bytes([number]) * 100 for number in range(10)))
        got = [target.recv(1_000) for _ in range(5)]
        assert got == [bytes([number]) * 100 for number in range(0, 10, 2)]
    assert (relay.counters.up.received, relay.counters.up.dropped) == (10, 5)


@pytest.mark.parametrize("host", [HERE, "::1"])
def test_hops_and_type_of_service_are_passed_on_less_one_hop(host: str) -> None:
    v6 = ":" in host
    level, set_hops, set_tos, get_hops, get_tos, hops_of, tos_of = (
        (
            socket.IPPROTO_IPV6,
            socket.IPV6_UNICAST_HOPS,
            socket.IPV6_TCLASS,
            socket.IPV6_RECVHOPLIMIT,
            socket.IPV6_RECVTCLASS,
            socket.IPV6_HOPLIMIT,
            socket.IPV6_TCLASS,
        )
        if v6
        else (
            socket.IPPROTO_IP,
            socket.IP_TTL,
            socket.IP_TOS,
            IP_RECVTTL,
            socket.IP_RECVTOS,
            socket.IP_TTL,
            socket.IP_TOS,
        )
    )

    def received(one: socket.socket) -> tuple[int, int, tuple[str, int]]:
        _, control, _, source = one.recvmsg(100, 200)
        found = {kind: int.from_bytes(data[:1], "little") for _, kind, data in control}
        return found[hops_of], found[tos_of], source

    with end(host) as far, end(host) as client, udpping.Relay(far.getsockname()[:2], host) as relay:
        client.connect(relay.address)
        for one in (far, client):
            one.setsockopt(level, get_hops, 1)
            one.setsockopt(level, get_tos, 1)
        for hops, tos in ((37, 0xB9), (64, 0), (37, 0xB8), (255, 0x01)):
            client.setsockopt(level, set_hops, hops)
            client.setsockopt(level, set_tos, tos)
            client.send(b"up")
            assert (*received(far)[:2],) == (hops - 1, tos)
        client.send(b"again")
        source = received(far)[2]
        for hops, tos in ((99, 0x02), (64, 0), (98, 0x03)):
            far.setsockopt(level, set_hops, hops)
            far.setsockopt(level, set_tos, tos)
            far.sendto(b"down", source)
            assert (*received(client)[:2],) == (hops - 1, tos)
        client.setsockopt(level, set_hops, 1)
        client.send(b"at its end")
        client.setsockopt(level, set_hops, 2)
        client.send(b"one more")
        assert received(far)[0] == 1
    assert relay.counters.up.errors == 1


def test_what_comes_from_the_target_itself_is_no_client(target: socket.socket) -> None:
    """Forged from there, it would go to and fro between a target that echoes and the relay."""
    with udpping.Relay(target.getsockname()) as relay, end() as client:
        target.sendto(b"forged", relay.address)
        client.connect(relay.address)
        client.send(b"real")
        assert target.recv(100) == b"real"
    assert (relay.counters.foreign, relay.counters.up.received, relay.counters.clients) == (1, 1, 1)


def test_many_clients_at_once_are_served(target: socket.socket) -> None:
    """What arrives together is passed on together, each for its own client."""
    with udpping.Relay(target.getsockname(), link="delay=5ms") as relay:
        clients = [end() for _ in range(200)]
        for client in clients:
            client.connect(relay.address)
        for number, client in enumerate(clients):
            client.send(b"%d" % number)
        for _ in clients:
            payload, source = target.recvfrom(100)
            target.sendto(payload, source)
        assert [int(client.recv(100)) for client in clients] == list(range(len(clients)))
        for client in clients:
            client.close()
    assert relay.counters.up.delayed == relay.counters.down.delayed == 200


def test_what_waits_is_bounded(target: socket.socket) -> None:
    with udpping.Relay(target.getsockname(), up="delay=1h") as relay, end() as client:
        client.connect(relay.address)
        for number in range(1, 1_201):
            client.send(bytes(65_000))
            while relay.counters.up.received < number:
                pass
        up = relay.counters.up
        assert up.waiting == (64 << 20) // 65_000
        assert up.errors == 1_200 - up.waiting


def test_nothing_is_sent_where_nobody_was_heard() -> None:
    with end() as stranger, udpping.Relay((HERE, free_port()), record=True) as relay:
        stranger.settimeout(0.2)
        with pytest.raises(TimeoutError):
            stranger.recv(10)
    assert len(relay.log) == 0
