"""A test client for the heartbeat server for many, as its description has it: it prints the answer as it is.

many_client.py HOST PORT TIMEOUT
"""

from __future__ import annotations

import socket
import sys
from datetime import datetime


def main(host: str, port: str, timeout: str) -> None:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.settimeout(float(timeout))
    for number in range(1, 11):
        sent = datetime.now().strftime("%a %b %d %H:%M:%S %Y")  # noqa: DTZ005 - no zone is told
        own.sendto(f"{number}\t{sent}".encode(), (host, int(port)))
        try:
            answer, _ = own.recvfrom(1024)
        except TimeoutError:
            sys.stdout.write("No answer\n")
            continue
        sys.stdout.write(f"Answer: {answer.decode()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
