"""The original programs, bugs included, for `--compat-bugs`.

They use clock, socket, terminal and random numbers through a `World`. `Network` is the real one; the tests
have one with a simulated clock. A module is named like its profile, and its `ORIGINALS` are the programs that
it has, with the words that `--compat-bugs` prints about their bugs.
"""

import random
import socket
import time
from typing import TYPE_CHECKING, Protocol, TypeAlias

from udpping.lab._client import Client
from udpping.lab._program import Program, note, say

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Address", "Originals", "World", "on_the_network"]

Address: TypeAlias = "tuple[str, int]"
INTERRUPTED = 130


class World(Protocol):
    """The parts of the system that the originals use."""

    def open(self) -> None:
        """Open a new socket."""

    def send(self, message: bytes, to: Address) -> None:
        """Send a datagram."""

    def receive(self, size: int) -> "tuple[bytes, Address]":
        """Wait for a datagram from any sender; for a client, TimeoutError after its timeout."""
        ...

    def shut_down(self) -> None:
        """Shut down a socket that has no peer, which systems refuse."""

    def close(self) -> None:
        """Close the socket."""

    def time(self) -> float:
        """Seconds since 1970, on the clock that may step."""
        ...

    def ctime(self, seconds: float) -> str:
        """Write a time as C does."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def draw(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        ...

    def chance(self) -> float:
        """Draw a float from 0 to 1."""
        ...

    def say(self, text: str) -> None:
        """Print a line."""

    def ask(self, prompt: str) -> None:
        """Print a prompt and wait for Enter; EOFError at the end of input."""


Originals: TypeAlias = "dict[str, tuple[Callable[[World, Program], None], str]]"
"""A profile's originals by the kind of program, each with its bugs in words."""


class Network:
    """The real socket, clock, terminal and random numbers."""

    def __init__(self, program: Program) -> None:
        self._timeout = program.timeout if isinstance(program, Client) else None
        self._place = None if isinstance(program, Client) else (program.host, program.port)
        self._dice = random.Random(getattr(program, "seed", None))  # noqa: S311 - the course's own choice
        self._socket = self._fresh()

    def _fresh(self) -> socket.socket:
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.settimeout(self._timeout)
        if self._place:
            own.bind(self._place)
        return own

    def open(self) -> None:
        self._socket.close()
        self._socket = self._fresh()

    def send(self, message: bytes, to: Address) -> None:
        self._socket.sendto(message, to)

    def receive(self, size: int) -> "tuple[bytes, Address]":
        message, address = self._socket.recvfrom(size)
        return message, (str(address[0]), int(address[1]))

    def shut_down(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._socket.close()

    def time(self) -> float:
        return time.time()

    def ctime(self, seconds: float) -> str:
        return time.ctime(seconds)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def draw(self, low: int, high: int) -> int:
        return self._dice.randint(low, high)

    def chance(self) -> float:
        return self._dice.random()

    def say(self, text: str) -> None:
        say(text)

    def ask(self, prompt: str) -> None:
        input(prompt)


def on_the_network(original: "Callable[[World, Program], None]", program: Program) -> int:
    """Run an original on real sockets; if it crashes, print the last line of its traceback."""
    try:
        original(Network(program), program)
    except KeyboardInterrupt:
        note("KeyboardInterrupt")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - originals crash in many ways
        note(f"{type(error).__name__}: {error}")
        return 1
    return 0
