"""Helpers of the tests: send datagrams to a server, wait for conditions, list threads and descriptors."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import udpping

Address: TypeAlias = "tuple[str, int]"


def udp_socket(family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
    """Open a socket with a timeout of a minute."""
    own = socket.socket(family, socket.SOCK_DGRAM)
    own.settimeout(60)
    return own


def ask(server: udpping.Server, payload: bytes) -> bytes:
    """Send one datagram; return the reply, which must come from the server's address."""
    with udp_socket(socket.AF_INET6 if ":" in server.address[0] else socket.AF_INET) as own:
        own.sendto(payload, server.address)
        answer, source = own.recvfrom(65_535)
    assert source[:2] == server.address
    return answer


def unasked_port() -> int:
    """Draw a port, of those that the kernel gives to nobody who does not ask for them; it may be in use."""
    own_choice = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    return random.SystemRandom().randrange(10_000, max(int(own_choice.split()[0]), 20_000))


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return as soon as the condition holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.002)


def call(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of udpping to its end."""
    command = [sys.executable, "-m", "udpping", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=env)


def records(text: str) -> list[dict[str, Any]]:
    """Read what a command prints with `--json`."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(record["schema"] == 1 for record in found)
    return found


def statuses(run: udpping.Run) -> list[str]:
    """Return the status of each ping."""
    return [row.status for row in run]


def marks(run: udpping.Run) -> str:
    """Format a run as the loss models do: `x` had no reply at all, `.` had one, however late."""
    return "".join("x" if row.status == "timeout" else "." for row in run)


def log_marks(server: udpping.Server, client_index: int = 0) -> str:
    """Format in the same way which datagrams of one client a server dropped."""
    rows = [row for row in server.log if row.client_index == client_index]
    return "".join("x" if row.verdict == "drop" else "." for row in rows)


def send_all(server: udpping.Server, payloads: Iterable[bytes], client: socket.socket | None = None) -> None:
    """Send datagrams to a server, and wait until it has received them all."""
    own = client or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for payload in payloads:
            wanted = server.counters.received + 1
            own.sendto(payload, server.address)
            wait_until(partial(has_received, server, wanted))
    finally:
        if client is None:
            own.close()


def has_received(server: udpping.Server, count: int) -> bool:
    """Return whether a server has received so many datagrams."""
    return server.counters.received >= count


def threads() -> list[str]:
    """Return the names of this process's threads, those of the core too."""
    names: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return names


def waits(pid: int) -> int:
    """Count how often the main thread of a process has waited: in udpping, at least each 0.05 s."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def belongings() -> Counter[str]:
    """Count this process's threads by name, and its open files and sockets.

    To find leaks, compare by `<=`: a previous test may still be releasing something.
    """
    return Counter([*threads(), *("descriptor" for _ in Path("/proc/self/fd").iterdir())])
