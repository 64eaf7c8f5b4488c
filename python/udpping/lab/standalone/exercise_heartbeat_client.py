"""UDPHeartbeatClient: sends a heartbeat each second, and waits for no answer. Ctrl-C ends it.

python UDPHeartbeatClient.py [HOST [PORT]]
"""

import sys
import time
from socket import AF_INET, SOCK_DGRAM, socket

INTERVAL = 1

if "--help" in sys.argv:
    print(__doc__)
    sys.exit()
host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = sys.argv[2] if len(sys.argv) > 2 else "12000"
client = socket(AF_INET, SOCK_DGRAM)
sent = 0

print(f"A heartbeat to {host}, port {port}, every {INTERVAL} s. Ctrl-C ends it.", flush=True)
try:
    while True:
        client.sendto(f"Heartbeat {sent + 1} {time.time()}".encode(), (host, int(port)))
        sent += 1
        time.sleep(INTERVAL)
except KeyboardInterrupt:
    print(f"{sent} sent")
except (OSError, ValueError, OverflowError) as error:
    sys.exit(f"cannot send to {host}, port {port}: {error}")
