"""What the course's clients and heartbeat servers do, in our words, as often as a bench needs it.

    seeds.py ping PORT COUNT INTERVAL     a request, its answer, and the next one after a sleep, if any
    seeds.py heartbeats                   heartbeats in, and a dictionary of who was heard

The course's server is tests/peers/course_server.py.
"""

from __future__ import annotations

import json
import socket
import sys
import time


def ping(port: str, count: str, interval: str) -> None:
    """Measure as the seeds do: the wall clock around sendto and recvfrom."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.settimeout(5)
    pause, server = float(interval), ("127.0.0.1", int(port))
    times: list[float] = []
    sends: list[float] = []
    lost = 0
    for number in range(1, int(count) + 1):
        sent = time.time()
        own.sendto(f"Ping {number} {sent}".encode(), server)
        try:
            own.recvfrom(1024)
        except TimeoutError:
            lost += 1
        else:
            times.append(time.time() - sent)
        sends.append(sent)
        if pause:
            time.sleep(pause)
    late = [round((sent - sends[0] - at * pause) * 1e9) for at, sent in enumerate(sends)]
    sys.stdout.write(json.dumps({"rtt_ns": [round(t * 1e9) for t in times], "lost": lost, "late_ns": late}))


def heartbeats() -> None:
    """Note for each client its number and time, as the seeds do for one; with room for a burst."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    own.bind(("127.0.0.1", 0))
    sys.stdout.write(f"{own.getsockname()[1]}\n")
    sys.stdout.flush()
    heard: dict[tuple[str, int], tuple[int, float, float]] = {}
    while True:
        message, client = own.recvfrom(1024)
        _, number, sent = message.decode().split()
        heard[client] = int(number), float(sent), time.time()


if __name__ == "__main__":
    if sys.argv[1] == "ping":
        ping(*sys.argv[2:])
    else:
        heartbeats()
