"""UDPPingerClient: sends ten pings, and prints each reply with its round trip, or that none came in a second.

python UDPPingerClient.py [HOST [PORT]]
"""

import sys
import time
from socket import AF_INET, SOCK_DGRAM, socket

PINGS, TIMEOUT = 10, 1

if "--help" in sys.argv:
    print(__doc__)
    sys.exit()
host = sys.argv[1] if len(sys.argv) > 1 else "localhost"
port = sys.argv[2] if len(sys.argv) > 2 else "12000"
client = socket(AF_INET, SOCK_DGRAM)
try:
    client.connect((host, int(port)))  # only what this server sends is received
except (OSError, ValueError, OverflowError) as error:
    sys.exit(f"cannot send to {host}, port {port}: {error}")
sent, told = 0, False
rtts: list[float] = []

try:
    for number in range(1, PINGS + 1):
        start = time.perf_counter()
        reply = b""
        try:
            client.send(f"Ping {number} {time.time()}".encode())
            # A reply to an earlier ping, which came too late, is not the reply to this one.
            while str(number).encode() not in reply.split():
                client.settimeout(max(start + TIMEOUT - time.perf_counter(), 0.001))
                reply = client.recv(1024)
            rtt = time.perf_counter() - start
            rtts.append(rtt)
            print(f"{reply.decode(errors='replace')}\nRTT: {rtt:.6f} seconds")
        except TimeoutError:
            print("Request timed out")
        except ConnectionError:
            if not told:
                print(f"nothing listens at {host}:{port}; start UDPPingerServer.py first", file=sys.stderr)
            told = True
            time.sleep(max(start + TIMEOUT - time.perf_counter(), 0))
            print("Request timed out")
        sent = number
except KeyboardInterrupt:
    pass  # Ctrl-C: the sums of what was sent

loss = 100 * (sent - len(rtts)) / sent if sent else 0
print(f"\n{sent} packets transmitted, {len(rtts)} received, {loss:.1f}% packet loss")
if rtts:
    mean = sum(rtts) / len(rtts)
    print(f"RTT min/avg/max = {min(rtts):.6f}/{mean:.6f}/{max(rtts):.6f} seconds")
