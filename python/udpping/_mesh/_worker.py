"""What each host of a mesh does: a server for the others, and in each round pings to some of them.

An engine calls `answer` in a process of each host. The calls are short: pings run in threads, and `collect`
alone waits, for a bounded time and beside the event loop. A host that nobody calls for the time of its lease
closes its server.
"""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NamedTuple

from udpping import stats
from udpping._services.session import Session
from udpping.errors import ConfigError, UdppingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from udpping._results.run import Summary
    from udpping._services.reflector import Reflector
    from udpping._services.server import Server

    Answer: TypeAlias = Any
    """What JSON can hold."""

VERSION = ".".join(map(str, sys.version_info[:2]))
MOST_PARTS = 64
"""Meshes that one process takes part in at a time."""
QUANTILES = (0.5, 0.9, 0.99)


class Peer(NamedTuple):
    """Another host, as it comes in a call."""

    name: str
    address: str
    port: int
    phase: float


@dataclass(frozen=True)
class Work:
    """What to do in a round, as it comes in a call."""

    round: int
    peers: "list[Peer]"
    after: float
    """Seconds from the call to the start of the round."""
    count: int
    interval: float
    timeout: float
    size: int | None
    flows: int
    """How many source ports to use."""
    digests: str
    """Digests for each `pair`, one for the `source`, or none."""


class Part:
    """What this host does in one mesh, until its lease ends."""

    def __init__(self, address: str, protocol: str, lease: float) -> None:
        self.lease, self.protocol, self.address = lease, protocol, address
        self.closed, self.lock = Event(), Lock()
        self.expires = monotonic() + lease
        self.sessions: list[Session] = []
        self.rounds: dict[int, Round] = {}
        self.server = far_end(protocol, address)
        self.server.start()
        Thread(target=self._close_unless_used, name="udpping-mesh-lease", daemon=True).start()

    def touch(self) -> None:
        self.expires = monotonic() + self.lease

    def _close_unless_used(self) -> None:
        while not self.closed.wait(max(0.0, self.expires - monotonic())):
            if monotonic() >= self.expires:
                self.close()

    def begin(self, work: Work) -> None:
        """Start a round. What earlier ones found is forgotten."""
        self.rounds = {work.round: Round(self, work)}

    def close(self) -> None:
        """Stop everything. Can be called twice."""
        self.closed.set()
        with self.lock:
            for session in self.sessions:
                session.stop()
        self.server.stop()
        for name in [name for name, part in PARTS.items() if part is self]:
            PARTS.pop(name, None)


class Round:
    """Pings to the others, in a thread, and what they come to."""

    def __init__(self, part: Part, work: Work) -> None:
        self.part, self.work = part, work
        self.start = monotonic() + work.after
        self.rows: list[list[Any]] = []
        self.digests: dict[str, stats.Digest] = {}
        self.error: str | None = None
        self.over = Event()
        Thread(target=self._run, name="udpping-mesh-round", daemon=True).start()

    def _run(self) -> None:
        try:
            self._ping()
        except Exception as error:  # noqa: BLE001 - whatever it is, the host that asked must hear of it
            self.error = told(error)
        finally:
            self.over.set()

    def _ping(self) -> None:
        work, part = self.work, self.part
        peers = sorted(work.peers, key=lambda peer: peer.phase)
        if not peers:
            return
        options: dict[str, object] = {
            "count": work.count,
            "interval": work.interval,
            "timeout": work.timeout,
            "linger": 0,
            "size": work.size,
            "bind": part.address,
            "protocol": part.protocol,
        }
        targets = [(peer.address, peer.port) for peer in peers]
        with part.lock:
            sessions = part.sessions = [Session(targets, options) for _ in range(work.flows)]
        # A session spreads its targets over the interval; flows fill the gaps between them.
        for flow, session in enumerate(sessions):
            phase = peers[0].phase + flow / (work.flows * len(peers))
            if part.closed.wait(max(0.0, self.start + phase * work.interval - monotonic())):
                return
            session.start()
        for session in sessions:
            while not session.wait(SLICE) and not part.closed.is_set():
                pass
        runs = [(session.ports, session.run()) for session in sessions]
        with part.lock:
            part.sessions = []
        for ports, run in runs:
            pings = stats.Pings(run).by_target()
            port = ports[0] if work.flows > 1 and len(ports) == 1 else None
            for peer, summary in zip(peers, run.summaries, strict=True):
                found = pings.get(summary.target)
                facts = numbers(summary, found)
                self.rows.append([peer.name, port, *facts, run.problems.get(summary.target)])
                if work.digests and found is not None:
                    self._digest(peer.name if work.digests == "pair" else "", stats.Digest(found))

    def _digest(self, target: str, digest: "stats.Digest") -> None:
        self.digests[target] = self.digests[target] | digest if target in self.digests else digest


def told(error: Exception) -> str:
    return str(error) if isinstance(error, (UdppingError, OSError)) else f"{type(error).__name__}: {error}"


SLICE = 0.05
"""Seconds between two looks at whether a round was ended."""
PARTS: "dict[str, Part]" = {}


def numbers(summary: "Summary", pings: "stats.Pings | None") -> "list[float | None]":
    """Give what a row of a mesh has, from `sent` to `offset_high_ns`."""
    counts: list[float | None] = [summary.sent, summary.received, summary.duplicates]
    if pings is None:
        return [*counts, 0, *[None] * 13]
    ways = stats.direction(pings, stateful=True)
    trip = stats.round_trip(pings, QUANTILES)
    one_way, clock = stats.one_way(pings, [0.5]), stats.clock(pings)
    return [
        *counts,
        stats.loss_runs(pings).runs,
        *(ways.lost_up, ways.lost_down, ways.unknown),
        *(trip.min_ns, *(trip.quantiles_ns[share] for share in QUANTILES), trip.max_ns),
        *(one_way.up.median_ns, one_way.down.median_ns, one_way.error_ns),
        *(clock.offset_low_ns, clock.offset_high_ns),
    ]


def far_end(protocol: str, address: str) -> "Server | Reflector":
    """Make what answers the pings of the others, at any free port."""
    stamps = "follow-up" in protocol
    if protocol.startswith("stamp"):
        from udpping._services.reflector import Reflector

        return Reflector(address, 0, send_stamps=stamps)
    from udpping._services.server import Server

    return Server(address, 0, server_times=True, send_stamps=stamps)


def address_of(wanted: str) -> str:
    """Give an IP address: itself, that of an interface, or for no text the first beside the loopback."""
    import socket
    from ipaddress import ip_address

    try:
        return str(ip_address(wanted))
    except ValueError:
        pass
    names = [name for _, name in socket.if_nameindex()]
    for name in [wanted] if wanted else [name for name in names if name != "lo"]:
        if found := _of_interface(name):
            return found
    if wanted:
        raise ConfigError(
            f"address {wanted!r} is not usable: expected an IP address, or an interface with an IPv4 address:"
            f" {', '.join(names)}"
        )
    return "127.0.0.1"


def _of_interface(name: str) -> str | None:
    import socket

    if sys.platform != "win32":
        from fcntl import ioctl

        siocgifaddr = 0x8915
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked, suppress(OSError):
            return socket.inet_ntoa(ioctl(asked, siocgifaddr, name.encode()[:15].ljust(40, b"\0"))[20:24])
    return None


async def about(mesh: str) -> "Answer":  # noqa: ARG001 - every call has it
    """Tell which Python and which udpping this is."""
    import udpping

    return {"python": VERSION, "udpping": udpping.__version__}


async def prepare(mesh: str, address: str, protocol: str, lease: float) -> "Answer":
    """Open the server for the others; tell where it listens."""
    if mesh not in PARTS:
        if len(PARTS) >= MOST_PARTS:
            raise ConfigError(
                f"this process takes part in {MOST_PARTS} meshes: end one, or wait for its lease"
            )
        PARTS[mesh] = Part(address_of(address), protocol, lease)
    part = PARTS[mesh]
    part.touch()
    return part.server.address


async def begin(mesh: str, work: "list[Any]") -> "Answer":
    """Start the pings of a round in a thread."""
    round_, peers, *rest = work
    part = part_of(mesh)
    part.touch()
    part.begin(Work(round_, [Peer(*peer) for peer in peers], *rest))


async def collect(mesh: str, patience: float) -> "Answer":
    """Give what the round found; wait for its end a little, if need be."""
    part = part_of(mesh)
    part.touch()
    (found,) = part.rounds.values()
    await asyncio.to_thread(found.over.wait, patience)
    if not found.over.is_set():
        return {"rows": [], "digests": {}, "error": "its pings were not over in time"}
    digests = {target: digest.to_json() for target, digest in found.digests.items()}
    return {"rows": found.rows, "digests": digests, "error": found.error}


async def finish(mesh: str) -> "Answer":
    """Close the server and stop what runs."""
    if mesh in PARTS:
        await asyncio.to_thread(PARTS[mesh].close)


def part_of(mesh: str) -> Part:
    if mesh not in PARTS:
        raise ConfigError("this host no longer takes part in the mesh: its lease ended, or it was restarted")
    return PARTS[mesh]


CALLS: "dict[str, Callable[..., Awaitable[Answer]]]" = {
    function.__name__: function for function in (about, prepare, begin, collect, finish)
}


async def answer(name: str, args: "dict[str, Any]") -> "Answer":
    """Do one call of an engine; what goes in and out is what JSON can hold."""
    try:
        return {"result": await CALLS[name](**args)}
    except Exception as error:  # noqa: BLE001 - the host that asked must hear of it
        return {"error": told(error)}
