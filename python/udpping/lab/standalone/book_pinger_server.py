"""UDPPingerServer: answers pings in capitals, except 4 of 11, which it loses on purpose.

python UDPPingerServer.py [PORT]
"""

import random
import sys
from socket import AF_INET, SOCK_DGRAM, socket

if "--help" in sys.argv:
    print(__doc__)
    sys.exit()
port = sys.argv[1] if len(sys.argv) > 1 else "12000"
server = socket(AF_INET, SOCK_DGRAM)
try:
    server.bind(("", int(port)))
except (OSError, ValueError, OverflowError) as error:
    sys.exit(f"cannot listen at port {port}: {error}; for another: python UDPPingerServer.py 12345")

while True:
    # 0 to 10 are eleven numbers, and 0 to 3 are four of them.
    number = random.randint(0, 10)
    message, client = server.recvfrom(1024)
    if number >= 4:
        server.sendto(message.upper(), client)
