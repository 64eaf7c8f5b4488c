"""Programs of others, sockperf and irtt: they take no port 0, and get one that was free a moment ago."""

from __future__ import annotations

import json
import socket
from typing import Any

from harness import SERVER, Server, run


def sockperf_server() -> Server:
    """Start sockperf's server."""
    port = free_port()
    return Server("sockperf", "server", "-i", "127.0.0.1", "-p", str(port), port=port)


def irtt(interval: float, seconds: float, cores: set[int]) -> dict[str, Any]:
    """Let irtt measure against its own server; give the JSON that it writes."""
    port = free_port()
    with Server("irtt", "server", "-b", f"127.0.0.1:{port}", "-i", "0", cores=SERVER, port=port):
        told = run(
            "irtt", "client", "-i", f"{round(interval * 1e6)}us", "-d", f"{round(seconds * 1e3)}ms", "-Q",
            "--wait=200ms", "-o", "-", f"127.0.0.1:{port}", cores=cores,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(told[told.index("{") :])
    return found


def free_port() -> int:
    """Give a port of 127.0.0.1 that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
