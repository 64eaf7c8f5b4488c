"""A student's client as a class: it measures from after the send, and shuts a socket down that has no peer.

third_client.py HOST PORT TIMEOUT
"""

from __future__ import annotations

import socket
import sys
import time


class Client:
    """Ten pings and what they come to."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.target = host, port
        self.times: list[float] = []
        self.own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.own.settimeout(timeout)

    def ping(self, total: int) -> None:
        for number in range(1, total + 1):
            self.own.sendto(f"Ping {number} {time.time()}".encode(), self.target)
            began = time.time()
            try:
                answer, source = self.own.recvfrom(4096)
            except TimeoutError:
                show("Request timed out")
                continue
            took = time.time() - began
            self.times.append(took)
            show(f"Reply from {self.target[0]}, address: {source}: {answer.decode()}")
            show(f"RTT: {took:.6f} seconds")

    def tell(self, total: int) -> None:
        lost = total - len(self.times)
        share = lost / total * 100
        show("\n--- Ping statistics ---")
        show(f"Packets: Sent = {total}, Received = {len(self.times)}, Lost = {lost} ({share}% packet loss)")
        if self.times:
            low, high, mean = min(self.times), max(self.times), sum(self.times) / len(self.times)
            show(f"RTTs: Min = {low:.6f}s, Max = {high:.6f}s, Avg = {mean:.6f}s")

    def close(self) -> None:
        sys.stdout.flush()
        self.own.shutdown(socket.SHUT_RDWR)
        self.own.close()


def show(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    client = Client(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    client.ping(10)
    client.tell(10)
    client.close()
