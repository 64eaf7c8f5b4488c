"""A link within an asyncio program: what the program sends and receives passes it; no second socket."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import unittest
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from udpping import _core, aio
from udpping.testing import FarEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Address = tuple[str, int]

pytestmark = pytest.mark.python


class Kept(asyncio.DatagramProtocol):
    """Keeps what comes, and whether it is over."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.sources: list[Address] = []
        self.lost: list[Exception | None] = []
        self.errors: list[Exception] = []
        self.wrong = b""

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.received.append(data)
        self.sources.append(addr)
        if data == self.wrong:
            raise RuntimeError("a fault of the program")

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


def delays(link: str, seed: int, count: int, *, down: bool = False) -> list[int]:
    """Give the nanoseconds that each of the first datagrams waits."""
    core = _core.EndpointLink("" if down else link, link if down else "", seed)
    return [core.carry(down, "127.0.0.1", 1, 0, b"")[0][0] for _ in range(count)]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - it waits for what has no event
            await asyncio.sleep(0.002)


async def listener() -> tuple[asyncio.DatagramTransport, Kept]:
    return await asyncio.get_running_loop().create_datagram_endpoint(Kept, local_addr=("127.0.0.1", 0))


def address(transport: asyncio.BaseTransport) -> Address:
    found: Address = transport.get_extra_info("sockname")
    return found


def numbers(received: list[bytes]) -> list[int]:
    return [int(each) for each in received]


async def sent_up(count: int, up: str, seed: int) -> tuple[list[int], aio.LinkTransport]:
    """Send so many datagrams; give the numbers of those that arrived, and the transport."""
    receiver, kept = await listener()
    transport, _ = await aio.create_datagram_endpoint(Kept, remote_addr=address(receiver), up=up, seed=seed)
    for number in range(1, count + 1):
        transport.sendto(b"%d" % number)
        await asyncio.sleep(0)
    await until(lambda: not transport.counters.up.waiting)
    await until(lambda: len(kept.received) == transport.counters.up.sent)
    transport.close()
    receiver.close()
    return numbers(kept.received), transport


@pytest.mark.parametrize("loss", ["20%", "burst:30%,3", "every:7", "list:1,2,9"])
def test_what_is_lost_is_what_a_simulation_loses(loss: str) -> None:
    arrived, transport = asyncio.run(sent_up(200, up=f"loss={loss}", seed=5))
    simulated = udpping.sim.ping(count=200, up=f"loss={loss}", seed=5)
    assert arrived == [row.seq for row in simulated if row.status == "reply"]
    assert transport.counters.up.dropped == 200 - len(arrived)
    assert (transport.seed, transport.up) == (5, udpping.Link(loss=loss))


@pytest.mark.untimed
def test_each_draw_is_that_of_the_first_client_of_a_server() -> None:
    link = _core.EndpointLink("duplicate=10%; loss=20%", "delay=exponential:20ms", 9)
    waits = udpping.delay.Exponential("20ms").stream(seed=9)
    simulated = udpping.sim.ping(count=300, up="duplicate=10%; loss=20%", seed=9)
    for row in simulated:
        (due,), data = link.carry(True, "127.0.0.1", 1, 0, b"x")
        assert (due, data) == (round(next(waits) * 1e9), b"x")
        assert link.carry(False, "127.0.0.1", 1, 7, b"x")[0] == [7] * row.copies


@pytest.mark.untimed
def test_each_peer_is_counted_by_itself_whatever_the_form_of_its_address() -> None:
    link = _core.EndpointLink("loss=list:1", "", None)
    peers = [("127.0.0.1", 1), ("127.0.0.1", 2), ("::1", 1), ("no address", 0), ("", 0)]
    lost = [link.carry(False, *peer, 0, b"")[0] for peer in peers]
    assert lost == [[], [], [], [], [0]]  # what is no address is one peer
    headers = _core.EndpointLink("mtu=100", "", None)
    assert [len(headers.carry(False, host, 1, 0, bytes(72))[0]) for host in ("127.0.0.1", "::1")] == [1, 0]


def test_delayed_datagrams_leave_in_the_order_of_their_times_and_never_early() -> None:
    async def main() -> None:
        loop, link = asyncio.get_running_loop(), "delay=uniform:20ms,1s"
        waits = delays(link, 3, 8)
        receiver, kept = await listener()
        transport, _ = await aio.create_datagram_endpoint(
            Kept, remote_addr=address(receiver), up=link, seed=3
        )
        began = loop.time()
        for number in range(8):
            transport.sendto(b"%d" % number)
        took = loop.time() - began
        assert transport.counters.up.waiting == 8
        await until(lambda: kept.received)
        assert loop.time() - began >= min(waits) / 1e9
        await until(lambda: len(kept.received) == 8)
        assert loop.time() - began >= max(waits) / 1e9
        expected = sorted(range(8), key=waits.__getitem__)
        counters = transport.counters.up
        if took < 0.01:  # they are farther apart than that
            assert numbers(kept.received) == expected
            assert counters.reordered == sum(waits[at] < max(waits[:at]) for at in range(1, 8)) > 0
        assert (counters.delayed, counters.waiting, counters.sent) == (8, 0, 8)
        transport.close()
        receiver.close()

    asyncio.run(main())


def test_both_directions_can_be_changed_and_blocked_while_the_endpoint_is_open() -> None:
    async def main() -> None:
        receiver, kept = await listener()
        transport, client = await aio.create_datagram_endpoint(Kept, remote_addr=address(receiver))
        transport.up = udpping.Link(loss=1)
        transport.sendto(b"lost")
        transport.up, transport.down = udpping.Link(), udpping.Link("duplicate=1")
        transport.sendto(b"1")
        await until(lambda: kept.received)
        transport.block(60)
        transport.sendto(b"blocked")
        transport.block(0)
        transport.sendto(b"2")
        await until(lambda: len(kept.received) == 2)
        receiver.sendto(b"twice", kept.sources[0])
        await until(lambda: len(client.received) == 2)
        assert (kept.received, client.received) == ([b"1", b"2"], [b"twice", b"twice"])
        assert (transport.up, transport.down) == (udpping.Link(), udpping.Link("duplicate=1"))
        assert transport.counters.up.dropped == 2
        with pytest.raises(udpping.ConfigError, match="down 5 is not usable: expected a udpping"):
            setattr(transport, "down", 5)  # noqa: B010 - type checkers refuse it as well
        with pytest.raises(udpping.ConfigError, match="seconds"):
            transport.block(-1)
        transport.close()
        receiver.close()

    asyncio.run(main())


def test_jitter_and_rate_keep_the_order_of_what_leaves_at_one_time() -> None:
    arrived, transport = asyncio.run(sent_up(200, up="jitter=20ms", seed=2))
    assert arrived == [*range(1, 201)]
    assert transport.counters.up.reordered == 0
    arrived, transport = asyncio.run(sent_up(50, up="rate=100kbit/s; queue=5", seed=2))
    counters = transport.counters.up
    assert arrived == sorted(arrived)
    assert counters.queue_drops == 50 - len(arrived) > 0
    assert counters.dropped == 0


def test_what_comes_passes_the_way_down() -> None:
    async def main() -> None:
        with FarEnd() as far:
            transport, kept = await aio.create_datagram_endpoint(
                Kept, remote_addr=far.address, down="loss=list:2; duplicate=1,2; corrupt=1"
            )
            for number in (1, 2, 3):
                transport.sendto(b"%d" % number)
            await until(lambda: len(kept.received) == 6)
        assert set(kept.sources) == {far.address}
        for sent, arrived in zip(b"111333", kept.received, strict=True):
            assert (sent ^ arrived[0]).bit_count() == 1
        assert transport.counters.down.as_dict() == {
            "received": 3, "sent": 6, "dropped": 1, "delayed": 0, "duplicated": 4, "reordered": 0,
            "corrupted": 2, "queue_drops": 0, "kernel_drops": None, "errors": 0, "waiting": 0,
        }  # fmt: skip
        assert repr(transport.counters).startswith("up: 3 received, 3 sent, 0 dropped on purpose; down: 3 ")
        transport.close()

    asyncio.run(main())


def test_a_server_has_losses_for_each_client() -> None:
    async def main() -> None:
        transport, kept = await aio.create_datagram_endpoint(
            Kept, local_addr=("127.0.0.1", 0), down="loss=list:1"
        )
        clients = [await listener() for _ in range(3)]
        for text in (b"first", b"second"):
            for client, _ in clients:
                client.sendto(text, address(transport))
        await until(lambda: len(kept.received) == 3)
        assert kept.received == [b"second"] * 3
        assert {*kept.sources} == {address(client) for client, _ in clients}
        for source in kept.sources:
            transport.sendto(b"answer", source)
        await until(lambda: all(kept.received for _, kept in clients))
        for each, _ in [(transport, kept), *clients]:
            each.close()

    asyncio.run(main())


def test_what_was_sent_before_close_still_leaves_and_nothing_comes() -> None:
    async def main() -> None:
        receiver, kept = await listener()
        transport, client = await aio.create_datagram_endpoint(
            Kept, remote_addr=address(receiver), up="delay=20ms", down="delay=1h"
        )
        transport.sendto(b"hello")
        await until(lambda: kept.received)
        receiver.sendto(b"not heard", kept.sources[0])
        await until(lambda: transport.counters.down.waiting)
        transport.sendto(b"goodbye")
        transport.close()
        assert transport.is_closing()
        transport.sendto(b"too late")
        await until(lambda: client.lost)
        await until(lambda: len(kept.received) == 2)
        assert kept.received == [b"hello", b"goodbye"]
        assert (client.lost, client.received) == ([None], [])
        assert transport.counters.down.errors == 1
        transport.close()
        receiver.close()

    asyncio.run(main())


def test_abort_discards_what_waits() -> None:
    async def main() -> None:
        transport, client = await aio.create_datagram_endpoint(
            Kept, remote_addr=("127.0.0.1", 9), up="delay=1h"
        )
        transport.sendto(b"never")
        transport.abort()
        await until(lambda: client.lost)
        assert (transport.counters.up.errors, transport.counters.up.sent) == (1, 0)

    asyncio.run(main())


ENDS = """
import asyncio, udpping
async def main():
    transport, _ = await udpping.aio.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9), up="delay=1h")
    transport.sendto(b"never")
    transport.close()
asyncio.run(main())
"""


def test_the_end_of_the_loop_does_not_wait_for_what_was_sent_and_leaves_nothing_open() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ENDS], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_a_fault_of_the_program_loses_no_other_datagram() -> None:
    async def main() -> None:
        told: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: told.append(str(context["exception"]))
        )
        with FarEnd() as far:
            transport, kept = await aio.create_datagram_endpoint(
                Kept, remote_addr=far.address, down="delay=50ms"
            )
            kept.wrong = b"2"
            for number in (1, 2, 3):
                transport.sendto(b"%d" % number)
            await until(lambda: len(kept.received) == 3)
        assert kept.received == [b"1", b"2", b"3"]
        assert told == ["a fault of the program"]
        transport.close()

    asyncio.run(main())


def test_refusals_reach_the_program(free_port: int) -> None:
    async def main() -> None:
        nobody = ("127.0.0.1", free_port)
        transport, client = await aio.create_datagram_endpoint(Kept, remote_addr=nobody, up="delay=5ms")
        transport.sendto(b"anybody?")
        await until(lambda: client.errors)
        assert isinstance(client.errors[0], ConnectionRefusedError)
        transport.close()

    asyncio.run(main())


def test_a_library_that_opens_the_endpoint_is_given_a_protocol() -> None:
    async def main() -> None:
        with FarEnd() as far:
            kept = Kept()
            through = aio.LinkProtocol(kept, up="loss=list:1", seed=4)
            assert "Kept" in repr(through)
            with pytest.raises(udpping.ConfigError, match=r"no transport: give it to loop\.create_datagram"):
                _ = through.transport
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda: through, remote_addr=far.address)
            for number in (1, 2):
                through.transport.sendto(bytearray(b"%d" % number))
            await until(lambda: kept.received)
            assert through.protocol is kept
            assert kept.received == [b"2"]
            with pytest.raises(udpping.ConfigError, match="make another one for each"):
                through.connection_made(asyncio.DatagramTransport())
            through.transport.close()

    asyncio.run(main())


def test_it_is_a_transport_as_that_of_the_loop() -> None:
    async def main() -> None:
        transport, client = await aio.create_datagram_endpoint(Kept, remote_addr=("127.0.0.1", 9), seed=1)
        assert isinstance(transport, asyncio.DatagramTransport)
        assert transport.get_extra_info("peername") == ("127.0.0.1", 9)
        assert transport.get_extra_info("no such") is None
        assert transport.get_protocol() is client
        assert transport.get_write_buffer_size() == 0
        assert repr(transport) == "<udpping.aio.LinkTransport up nothing, down nothing, seed 1: open>"
        with pytest.raises(TypeError, match="bytes-like object, not 'str'"):
            transport.sendto("text")
        with pytest.raises(ValueError, match=r"sends to \('127.0.0.1', 9\) alone, not to \('127.0.0.1', 8\)"):
            transport.sendto(b"", ("127.0.0.1", 8))
        with pytest.raises(AttributeError):
            _ = transport.no_such
        transport.close()
        assert repr(transport).endswith(": closed>")
        free, _ = await aio.create_datagram_endpoint(Kept, local_addr=("127.0.0.1", 0))
        with pytest.raises(ValueError, match="needs an address: the endpoint was opened without remote_addr"):
            free.sendto(b"")
        free.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("keywords", "told"),
    [
        ({"up": 0.5}, r"up 0\.5 is not usable: expected a udpping\.Link, its text"),
        ({"down": "los=5%"}, "los"),
        ({"seed": "one"}, "seed 'one' is not usable: expected a whole number"),
    ],
)
def test_what_cannot_be_used_is_named(keywords: dict[str, Any], told: str) -> None:
    coroutine: Coroutine[Any, Any, Any] = aio.create_datagram_endpoint(
        Kept, local_addr=("127.0.0.1", 0), **keywords
    )
    with pytest.raises(udpping.ConfigError, match=told):
        asyncio.run(coroutine)


class InUnittest(unittest.IsolatedAsyncioTestCase):
    """What `python -m unittest` runs."""

    __test__ = False  # the test below lets unittest run it

    async def asyncSetUp(self) -> None:
        self.far = self.enterContext(FarEnd())
        self.transport, self.client = await aio.create_datagram_endpoint(
            Kept, remote_addr=self.far.address, up="loss=list:1", seed=1
        )
        self.addCleanup(self.transport.close)

    async def test_the_first_is_lost(self) -> None:
        self.transport.sendto(b"1")
        self.transport.sendto(b"2")
        await until(lambda: self.client.received)
        self.assertEqual(self.client.received, [b"2"])  # noqa: PT009 - unittest's way


def test_it_works_in_unittest() -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(InUnittest).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])
