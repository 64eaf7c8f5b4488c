"""UDPHeartbeatClient: sends heartbeats until three in a row have no answer: then the server is down.

    python UDPHeartbeatClient.py [HOST [PORT]] [--count N] [--timeout SECONDS]
                                 [--profile NAME] [--compat-bugs]

Its loss is counted over what it has sent. With the profile "multi" it is the test client of that server.
What it sends, loses and prints is a profile (udpping lab --list).
"""

from udpping import lab

PROFILE = "book"

if __name__ == "__main__":
    raise SystemExit(lab.main("UDPHeartbeatClient.py", PROFILE))
