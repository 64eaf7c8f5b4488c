"""The server that the course hands out, in our words: capitals for 7 of 11 datagrams, silence for the others.

    course_server.py HOST SEED [LOST]

It draws before each receive, as the original does. It tells its port, which the original knows. For a count of replies
it can be told to lose another number of 11, or 0.
"""

from __future__ import annotations

import random
import socket
import sys


def main(host: str, seed: str, lost: str = "4") -> None:
    random.seed(int(seed))
    silence = int(lost)
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind((host, 0))
    sys.stdout.write(f"{own.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        chance = random.randint(0, 10)
        message, client = own.recvfrom(1024)
        if chance >= silence:
            own.sendto(message.upper(), client)


if __name__ == "__main__":
    main(*sys.argv[1:])
