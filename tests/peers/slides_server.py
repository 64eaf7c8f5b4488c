"""The slides' server, in our words: it tells where it is, and loses three of ten.

slides_server.py HOST SEED
"""

from __future__ import annotations

import random
import socket
import sys


def main(host: str, seed: str) -> None:
    random.seed(int(seed))
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind((host, 0))
    sys.stdout.write(f"{own.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        chance = random.randint(1, 10)
        message, client = own.recvfrom(1024)
        if chance >= 4:
            own.sendto(message.upper(), client)


if __name__ == "__main__":
    main(*sys.argv[1:])
