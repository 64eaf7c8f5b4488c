"""UDPHeartbeatClient: sends heartbeats until three in a row have no answer: then the server is down.

    python UDPHeartbeatClient.py [HOST [PORT]] [--count N] [--timeout SECONDS]
                                 [--profile NAME] [--compat-bugs]

Its loss is counted over what it has sent. With the profile "multi" it is the test client of that server. What
it sends, loses and prints is a profile (udpping lab --list).

This file needs udpping. There are two other forms: `udpping lab DIR --standalone` writes a program to read,
which needs Python alone, and `udpping lab DIR --skeleton` one with blanks for you to fill in.
"""

from udpping import lab

PROFILE = "book"

if __name__ == "__main__":
    raise SystemExit(lab.main("UDPHeartbeatClient.py", PROFILE))
