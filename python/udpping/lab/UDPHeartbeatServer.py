"""UDPHeartbeatServer: answers heartbeats with their time difference, except those that it loses on purpose.

    python UDPHeartbeatServer.py [PORT] [--host ADDRESS] [--loss LOSS] [--seed N]
                                 [--profile NAME] [--compat-bugs]

A heartbeat that it cannot read does not stop it. Ctrl-C ends it and prints what it has done. What it sends,
loses and prints is a profile (udpping lab --list).

This file needs udpping. There are two other forms: `udpping lab DIR --standalone` writes a program to read,
which needs Python alone, and `udpping lab DIR --skeleton` one with blanks for you to fill in.
"""

from udpping import lab

PROFILE = "book"

if __name__ == "__main__":
    raise SystemExit(lab.main("UDPHeartbeatServer.py", PROFILE))
