"""UDPHeartbeatServer: watches the senders of heartbeats: what is lost, who has stopped and who is back.

python UDPHeartbeatServer.py [PORT]
"""

import sys
import time
from socket import AF_INET, SOCK_DGRAM, socket

STOPPED = 4  # seconds without a heartbeat after which a client has stopped

if "--help" in sys.argv:
    print(__doc__)
    sys.exit()
port = sys.argv[1] if len(sys.argv) > 1 else "12000"
server = socket(AF_INET, SOCK_DGRAM)
try:
    server.bind(("", int(port)))
except (OSError, ValueError, OverflowError) as error:
    sys.exit(f"cannot listen at port {port}: {error}; for another: python UDPHeartbeatServer.py 12345")
server.settimeout(0.1)  # so that it looks for silent clients as well
latest: dict[str, int] = {}  # the last number of each client, ...
heard: dict[str, float] = {}  # ... when that came, ...
received: dict[str, int] = {}  # ... how many came, ...
lost: dict[str, int] = {}  # ... how many did not, ...
stopped: set[str] = set()  # ... and who has stopped

print(f"Watching heartbeats at port {port}; after {STOPPED} s of silence, a client has stopped.", flush=True)
try:
    while True:
        for name in heard.keys() - stopped:
            if (silence := time.monotonic() - heard[name]) >= STOPPED:
                stopped.add(name)
                last = f"nothing for {silence:.1f} s after heartbeat {latest[name]}"
                print(f"{name} has stopped: {last}", flush=True)
        try:
            message, client = server.recvfrom(1024)
        except TimeoutError:
            continue
        name = f"{client[0]}:{client[1]}"
        try:
            # "Heartbeat 7 1700000000.25", or the numbers alone.
            seq, sent = int(message.split()[-2]), float(message.split()[-1])
        except (ValueError, IndexError):
            print(f"From {name}: no heartbeat: {message!r}", flush=True)
            continue
        print(f"Heartbeat {seq} from {name}: time difference {time.time() - sent:.6f} seconds", flush=True)
        if name in stopped:
            stopped.remove(name)
            print(f"{name} is back", flush=True)
        missing = seq - latest.get(name, seq - 1) - 1
        if missing > 0:
            numbers = f"heartbeat {seq - 1}" if missing == 1 else f"heartbeats {seq - missing} to {seq - 1}"
            print(f"Lost from {name}: {numbers}", flush=True)
        latest[name], heard[name] = seq, time.monotonic()
        received[name] = received.get(name, 0) + 1
        lost[name] = lost.get(name, 0) + max(missing, 0)
except KeyboardInterrupt:
    print()
    for name, count in received.items():
        state = "stopped" if name in stopped else "up"
        share = 100 * lost[name] / (count + lost[name])
        print(f"{name}: {count} received, {lost[name]} lost ({share:.1f} %), {state}")
