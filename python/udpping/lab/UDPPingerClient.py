"""UDPPingerClient: sends pings and prints each reply, its round trip, or that it timed out.

    python UDPPingerClient.py [HOST [PORT]] [--count N] [--timeout SECONDS]
                              [--profile NAME] [--compat-bugs]

A reply counts only for the ping that it answers: one that comes too late is not mistaken for the reply to the
next. What it sends, loses and prints is a profile (udpping lab --list).

This file needs udpping. There are two other forms: `udpping lab DIR --standalone` writes a program to read,
which needs Python alone, and `udpping lab DIR --skeleton` one with blanks for you to fill in.
"""

from udpping import lab

PROFILE = "book"

if __name__ == "__main__":
    raise SystemExit(lab.main("UDPPingerClient.py", PROFILE))
