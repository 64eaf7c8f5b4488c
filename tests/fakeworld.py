"""A simulated `World` for the lab's originals, without a network and without waiting.

The clock starts at 1700000000.0; reading it takes 1/1024 s, and a timeout 1 s. Dates are in UTC. What the
program prints is in `text`. The marks repeat: x loses a message, L answers it only after the timeout, any
other mark at once.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from udpping.lab.compat import Address

START = 1_700_000_000.0
TICK = 1 / 1024
SERVER = ("127.0.0.1", 12000)

REPLIES: dict[str, Callable[[bytes], bytes]] = {
    "upper": bytes.upper,
    "diff2": lambda message: b"%s %r" % (message.split()[0], TICK),
    "diff3": lambda message: b"%s %.6f" % (message.split()[1], TICK),
}


class FakeWorld:
    """A `World` in memory. `enters` is how often Enter is pressed."""

    def __init__(self, marks: str = "", reply: str = "upper", enters: int = 0) -> None:
        self.text = ""
        self.now = START
        self.sent: list[tuple[bytes, Address]] = []
        self.arrivals: list[tuple[bytes, Address] | BaseException] = []
        self.draws: list[int] = []
        self.slept: list[float] = []
        self._marks = itertools.cycle(marks or ".")
        self._late: list[bytes] = []
        self._queue: list[bytes] = []
        self._reply = REPLIES[reply]
        self._enters = enters

    def open(self) -> None:
        self._queue.clear()

    def send(self, message: bytes, to: Address) -> None:
        self.sent.append((message, to))
        mark = next(self._marks)
        if mark == "L":
            self._late.append(self._reply(message))
        elif mark != "x":
            self._queue.append(self._reply(message))

    def receive(self, size: int) -> tuple[bytes, Address]:
        if self.arrivals:
            arrival = self.arrivals.pop(0)
            if isinstance(arrival, BaseException):
                raise arrival
            return arrival[0][:size], arrival[1]
        if self._queue:
            return self._queue.pop(0)[:size], SERVER
        self.now += 1
        self._queue, self._late = self._late, []
        raise TimeoutError

    def shut_down(self) -> None:
        raise OSError(107, "Transport endpoint is not connected")

    def close(self) -> None:
        self._queue.clear()

    def time(self) -> float:
        now = self.now
        self.now += TICK
        return now

    def ctime(self, seconds: float) -> str:
        return time.asctime(time.gmtime(seconds))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def draw(self, low: int, high: int) -> int:
        number = self.draws.pop(0)
        assert low <= number <= high
        return number

    def chance(self) -> float:
        return self.draws.pop(0) / 100

    def say(self, text: str) -> None:
        self.text += f"{text}\n"

    def ask(self, prompt: str) -> None:
        self.text += prompt
        if not self._enters:
            raise EOFError
        self._enters -= 1
