"""The slides' heartbeat client, in our words: waits for Enter, and stops at three misses in a row.

slides_heartbeat_client.py HOST PORT TIMEOUT
"""

from __future__ import annotations

import socket
import sys
import time

PLANNED = 10  # the original: 1,000


def main(host: str, port: str, timeout: str) -> None:
    misses = 0
    while True:
        input("\nPress any key to start...")
        sys.stdout.write("-----\nStarting Heartbeat\n-----\n\n")
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.settimeout(float(timeout))
        for number in range(PLANNED):
            began = time.time()
            own.sendto(f"{number} {began}".encode(), (host, int(port)))
            sys.stdout.write(f"Sent {number} {began}\n")
            try:
                answer, _ = own.recvfrom(4096)
            except TimeoutError:
                sys.stdout.write(f"#{number} Requested Timed out\n\n")
                misses += 1
                if misses >= 3:
                    sys.stdout.write("Server is assumed to be down after 3 consecutive misses.\n")
                    break
                continue
            misses = 0
            sys.stdout.write(f"Received {answer!r}\nTime: {(time.time() - began) * 1000} Milliseconds\n\n")
        sys.stdout.write("Finish heartbeat, closing socket\n-----\nStatistics\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
