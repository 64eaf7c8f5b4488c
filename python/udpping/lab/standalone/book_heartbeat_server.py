"""UDPHeartbeatServer: answers heartbeats with their time difference, and loses 4 of 11 on purpose.

python UDPHeartbeatServer.py [PORT]
"""

import random
import sys
import time
from socket import AF_INET, SOCK_DGRAM, socket

if "--help" in sys.argv:
    print(__doc__)
    sys.exit()
port = sys.argv[1] if len(sys.argv) > 1 else "12000"
server = socket(AF_INET, SOCK_DGRAM)
try:
    server.bind(("", int(port)))
except (OSError, ValueError, OverflowError) as error:
    sys.exit(f"cannot listen at port {port}: {error}; for another: python UDPHeartbeatServer.py 12345")
latest: dict[str, int] = {}  # the last number of each client

while True:
    number = random.randint(0, 10)
    message, client = server.recvfrom(1024)
    if number < 4:
        continue
    name = f"{client[0]}:{client[1]}"
    try:
        # "Ping 7 1700000000.25", or the numbers alone.
        seq, sent = int(message.split()[-2]), float(message.split()[-1])
    except (ValueError, IndexError):
        print(f"From {name}: no heartbeat: {message!r}", flush=True)
        continue
    difference = time.time() - sent
    server.sendto(f"{seq} {difference:.6f}".encode(), client)
    missing = seq - latest.get(name, seq - 1) - 1
    latest[name] = seq
    lost = f", {missing} lost before it" if missing > 0 else ""
    print(f"Heartbeat {seq} from {name}: time difference {difference:.6f} seconds{lost}", flush=True)
