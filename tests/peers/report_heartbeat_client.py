"""The report's heartbeat client, in our words: it takes two words for an answer, and crashes on others.

report_heartbeat_client.py HOST PORT TIMEOUT
"""

from __future__ import annotations

import socket
import sys
import time

PLANNED = 10  # the original: 1,000


def main(host: str, port: str, timeout: str) -> None:
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.settimeout(float(timeout))
    misses = 0
    for number in range(1, PLANNED + 1):
        own.sendto(f"Ping {number} {time.time()}".encode(), (host, int(port)))
        try:
            answer, _ = own.recvfrom(1024)
        except TimeoutError:
            misses += 1
            sys.stdout.write(f"Heartbeat {number}: Request timed out\n")
            if misses == 3:
                sys.stdout.write("Server is down! 3 consecutive heartbeat responses were missed.\n")
                break
            continue
        name, difference = answer.decode().split()
        misses = 0
        text = f"Time difference = {float(difference):.6f} seconds"
        sys.stdout.write(f"Received heartbeat response {name}: {text}\n")
    sys.stdout.flush()
    own.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main(*sys.argv[1:])
