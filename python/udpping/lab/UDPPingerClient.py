"""UDPPingerClient: sends pings and prints each reply, its round trip, or that it timed out.

    python UDPPingerClient.py [HOST [PORT]] [--count N] [--timeout SECONDS]
                              [--profile NAME] [--compat-bugs]

A reply counts only for the ping that it answers: one that comes too late is not mistaken for the reply to the next.
What it sends, loses and prints is a profile (udpping lab --list).
"""

from udpping import lab

PROFILE = "book"

if __name__ == "__main__":
    raise SystemExit(lab.main("UDPPingerClient.py", PROFILE))
