"""QUIC of aioquic on a bad network: a file arrives as it was, through a relay or a link in the program."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from thirdparty import SECONDS, certificate, free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

WAYS = ("up", "down")
FILE = random.Random(1).randbytes(200_000)
LINK = "loss=10%; delay=5ms; duplicate=1%; reorder=1%,5ms"


@contextlib.asynccontextmanager
async def echo(folder: Path) -> AsyncGenerator[tuple[str, int]]:
    """Serve QUIC: what comes on a stream is sent back on it."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.write_eof()

    def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.get_running_loop().create_task(answer(reader, writer)))

    configuration = QuicConfiguration(is_client=False, alpn_protocols=["echo"])
    configuration.load_cert_chain(*certificate(folder))
    port = free_ports()
    server = await serve("127.0.0.1", port, configuration=configuration, stream_handler=start)
    try:
        yield "127.0.0.1", port
    finally:
        server.close()


def client(folder: Path) -> QuicConfiguration:
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["echo"], server_name="localhost")
    configuration.load_verify_locations(str(certificate(folder)[0]))
    return configuration


async def sent_and_returned(protocol: QuicConnectionProtocol) -> bytes:
    async with asyncio.timeout(SECONDS):
        reader, writer = await protocol.create_stream()
        writer.write(FILE)
        writer.write_eof()
        return await reader.read()


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_the_same_behind_a_relay(tmp_path: Path, way: str) -> None:
    link: dict[str, Any] = {way: LINK}

    async def main() -> tuple[bytes, udpping.Relay]:
        async with (
            echo(tmp_path) as there,
            udpping.Relay(there, seed=1, **link) as relay,
            connect(*relay.address, configuration=client(tmp_path)) as protocol,
        ):
            return await sent_and_returned(protocol), relay

    returned, relay = asyncio.run(main())
    assert returned == FILE
    impaired, other = relay.counters.up, relay.counters.down
    if way == "down":
        impaired, other = other, impaired
    assert impaired.dropped > 5
    assert (other.dropped, other.duplicated, other.errors) == (0, 0, 0)


@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_the_same_with_a_link_in_the_program(tmp_path: Path, way: str) -> None:
    link: dict[str, Any] = {way: LINK}

    async def main() -> tuple[bytes, udpping.aio.LinkTransport]:
        async with echo(tmp_path) as there:
            transport, protocol = await udpping.aio.create_datagram_endpoint(
                lambda: QuicConnectionProtocol(QuicConnection(configuration=client(tmp_path))),
                local_addr=("127.0.0.1", 0), seed=1, **link,
            )  # fmt: skip
            protocol.connect(there)
            await protocol.wait_connected()
            returned = await sent_and_returned(protocol)
            protocol.close()
            await protocol.wait_closed()
            transport.close()
            return returned, transport

    returned, transport = asyncio.run(main())
    assert returned == FILE
    impaired, other = transport.counters.up, transport.counters.down
    if way == "down":
        impaired, other = other, impaired
    assert impaired.dropped > 5
    assert (other.dropped, other.duplicated, other.errors) == (0, 0, 0)
