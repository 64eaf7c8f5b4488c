"""A student's client that waits for Enter, sends the date as text, and shows the reply's bytes, for ever.

second_client.py HOST PORT TIMEOUT
"""

from __future__ import annotations

import socket
import sys
import time


def ping(own: socket.socket, target: tuple[str, int], number: int) -> float | None:
    began = time.time()
    message = f"Ping {number} {time.ctime(began)}"
    own.sendto(message.encode(), target)
    show(f"Sent {message}")
    try:
        answer, _ = own.recvfrom(4096)
    except TimeoutError:
        show(f"#{number} Requested Timed out\n")
        return None
    show(f"Received {answer!r}")
    took = (time.time() - began) * 1000
    show(f"Time: {took!r} Milliseconds\n")
    return took


def show(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main(host: str, port: str, timeout: str) -> None:
    while True:
        input("\nPress any key to start...\n")
        show("-----\nStarting Ping\n-----\n")
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.settimeout(float(timeout))
        results = [ping(own, (host, int(port)), number) for number in range(1, 11)]
        times = [took for took in results if took is not None]
        show("Finish ping, closing socket\n-----\nStatistics")
        if times:
            show(f"Average RTT: {sum(times) / len(times)} Milliseconds")
            show(f"Max RTT: {max(times)} Milliseconds\nMin RTT: {min(times)} Milliseconds")
            show(f"Packet Loss: {(10 - len(times)) * 10}%\n-----")
        else:
            show("Server Is Down: No packets received")
        own.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
