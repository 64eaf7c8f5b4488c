"""A student's client that takes whatever comes for the answer, and every error for a timeout.

first_client.py HOST PORT TIMEOUT
"""

from __future__ import annotations

import socket
import sys
import time


def main(host: str, port: str, timeout: str) -> None:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.settimeout(float(timeout))
    for number in range(1, 11):
        sent = time.time()
        message = f"Ping {number} {sent}"
        try:
            own.sendto(message.encode(), (host, int(port)))
            own.recvfrom(1024)
            told = f"Reply from {host} RTT={time.time() - sent:.4f}"
        except Exception:  # noqa: BLE001 - as the original does
            told = "Requeset timed out"
        sys.stdout.write(f"Sequence {number}: {told}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
