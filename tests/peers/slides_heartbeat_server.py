"""The slides' heartbeat server, in our words: two words in, two out; it crashes on others.

slides_heartbeat_server.py HOST SEED
"""

from __future__ import annotations

import random
import socket
import sys
import time


def main(host: str, seed: str) -> None:
    random.seed(int(seed))
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind((host, 0))
    sys.stdout.write(f"{own.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        chance = random.randint(1, 10)
        message, client = own.recvfrom(1024)
        arrived = time.time()
        if chance >= 4:
            number, sent = message.decode().split()
            own.sendto(f"{number} {arrived - float(sent)}".encode(), client)


if __name__ == "__main__":
    main(*sys.argv[1:])
