"""The report's heartbeat server, in our words: three words in, two out; it crashes on others.

report_heartbeat_server.py HOST SEED
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
        chance = random.randint(0, 10)
        message, client = own.recvfrom(1024)
        if chance < 4:
            continue
        _, number, sent = message.decode().split()
        own.sendto(f"{number} {time.time() - float(sent):.6f}".encode(), client)


if __name__ == "__main__":
    main(*sys.argv[1:])
