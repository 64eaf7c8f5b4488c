"""UDPPingerServer: answers every ping in capitals, except those that it loses on purpose.

    python UDPPingerServer.py [PORT] [--host ADDRESS] [--loss LOSS] [--seed N]
                              [--profile NAME] [--compat-bugs]

With the profile "book" it loses a ping when random.randint(0, 10) < 4, that is 4 of 11. On standard error it
says where it listens, and what to type on another machine. Ctrl-C ends it and prints what it has done. What
it sends, loses and prints is a profile (udpping lab --list).

This file needs udpping. There are two other forms: `udpping lab DIR --standalone` writes a program to read,
which needs Python alone, and `udpping lab DIR --skeleton` one with blanks for you to fill in.
"""

from udpping import lab

PROFILE = "book"

if __name__ == "__main__":
    raise SystemExit(lab.main("UDPPingerServer.py", PROFILE))
