"""The heartbeat server for many clients, as its description has it: number, tab and date in, a sentence out.

many_server.py HOST SEED

Format and wording are ours: the description has none. What makes no sense is caught and not answered.
"""

from __future__ import annotations

import random
import socket
import sys
from datetime import datetime

FORMAT = "%a %b %d %H:%M:%S %Y"
LOSS = 40


def main(host: str, seed: str) -> None:
    random.seed(int(seed))
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind((host, 0))
    sys.stdout.write(f"{own.getsockname()[1]}\n")
    sys.stdout.flush()
    lost: dict[str, int] = {}
    while True:
        message, (client, port) = own.recvfrom(1024)
        if random.randrange(100) < LOSS:
            lost[client] = lost.get(client, 0) + 1
            continue
        try:
            _, sent = message.decode().split("\t")
            difference = datetime.now() - datetime.strptime(sent, FORMAT)  # noqa: DTZ005, DTZ007 - no zone is told
        except ValueError:
            continue
        answer = f"Time difference: {difference}, packets lost in between: {lost.pop(client, 0)}"
        own.sendto(answer.encode(), (client, port))


if __name__ == "__main__":
    main(*sys.argv[1:])
