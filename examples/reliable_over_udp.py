"""A small reliable protocol over asyncio, and the bad network that finds the fault of its first version.

    pytest examples/reliable_over_udp.py

The sender repeats a message until its number is acknowledged, and goes on with the next one. The textbook's
alternating-bit protocol (rdt3.0) counts 0, 1, 0, 1. That is enough on a path that loses and duplicates, and
so its tests pass; where datagrams overtake each other, an old one is taken for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from struct import Struct

import pytest
import udpping

NUMBERS = 1 << 32
"""As many numbers as there are before one comes again."""
ALTERNATING_BIT = 2
WAIT = 0.01
NUMBER = Struct("!I")
MESSAGES = [b"message %d" % count for count in range(30)]
LOSSES = "loss=burst:10%,3; delay=1ms; duplicate=10%"
ALL = f"{LOSSES}; reorder=15%,25ms"


class Sender(asyncio.DatagramProtocol):
    """Sends messages one after the other, each until it is acknowledged."""

    def __init__(self, numbers: int) -> None:
        self.numbers = numbers
        self.acknowledged: asyncio.Queue[int] = asyncio.Queue()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, _: object) -> None:
        """Take an acknowledgement."""
        self.acknowledged.put_nowait(*NUMBER.unpack(data))

    async def send(self, messages: list[bytes]) -> None:
        """Send all, and return when the last one is acknowledged."""
        for count, message in enumerate(messages):
            number, answered = count % self.numbers, False
            while not answered:
                self.transport.sendto(NUMBER.pack(number) + message)
                answered = await self.is_acknowledged(number)

    async def is_acknowledged(self, number: int) -> bool:
        """Wait a little for the acknowledgement of a number."""
        try:
            async with asyncio.timeout(WAIT):
                while await self.acknowledged.get() != number:
                    pass
        except TimeoutError:
            return False
        return True


class Receiver(asyncio.DatagramProtocol):
    """Takes each message once, and acknowledges it as often as it comes."""

    def __init__(self, numbers: int) -> None:
        self.numbers = numbers
        self.messages: list[bytes] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        """Take a message that is the next one."""
        (number,), message = NUMBER.unpack_from(data), data[NUMBER.size :]
        if number == len(self.messages) % self.numbers:
            self.messages.append(message)
        self.transport.sendto(NUMBER.pack(number), source)


Opens = Callable[..., Awaitable[tuple[asyncio.DatagramTransport, Sender]]]


async def transfer(numbers: int, open_endpoint: Opens, **link: str | int) -> list[bytes]:
    """Send the messages over a bad network; give what the receiver has taken."""
    loop = asyncio.get_running_loop()
    inbox, receiver = await loop.create_datagram_endpoint(
        lambda: Receiver(numbers), local_addr=("127.0.0.1", 0)
    )
    outbox, sender = await open_endpoint(
        lambda: Sender(numbers), remote_addr=inbox.get_extra_info("sockname"), **link
    )
    await sender.send(MESSAGES)
    outbox.abort()
    inbox.close()
    return receiver.messages


@pytest.mark.udp_seeds(20)
def test_every_message_arrives_once_and_in_order(udp_link: Opens) -> None:
    assert asyncio.run(transfer(NUMBERS, udp_link, up=ALL, down=ALL)) == MESSAGES


def test_losses_and_duplicates_alone_do_not_find_the_fault(udp_link: Opens) -> None:
    assert asyncio.run(transfer(ALTERNATING_BIT, udp_link, up=LOSSES, down=LOSSES)) == MESSAGES


def test_one_of_twenty_seeds_finds_the_fault_of_the_alternating_bit() -> None:
    async def is_right(seed: int) -> bool:
        endpoint = udpping.aio.create_datagram_endpoint
        return await transfer(ALTERNATING_BIT, endpoint, up=ALL, down=ALL, seed=seed) == MESSAGES

    async def all_seeds() -> list[bool]:
        return await asyncio.gather(*map(is_right, range(1, 21)))

    assert not all(asyncio.run(all_seeds()))
