"""UDPPingerClient: sends ten pings and prints each reply, its round trip, or that it timed out.

    python UDPPingerClient.py [HOST [PORT]] [--host HOST] [--port PORT] [--count N] [--timeout SECONDS]

A ping is the line "Ping sequence_number time". A reply counts only for the ping that it answers: one that
comes too late is not mistaken for the reply to the next.
"""

from contextlib import suppress

import udpping
from udpping import lab


def main() -> None:
    """Ping, and print what came of it."""
    options = lab.client_options()
    pinger = udpping.Pinger(
        options.host, options.port, count=options.count, timeout=options.timeout, linger=0
    )
    told = 0
    with pinger, suppress(KeyboardInterrupt):
        for row in pinger:
            # A ping comes again when a late reply or a duplicate changes its row: it has been told.
            if row.seq > told:
                print(lab.book.outcome(row), flush=True)
                told = row.seq
    print(lab.book.statistics(pinger.summary))


if __name__ == "__main__":
    try:
        main()
    except udpping.UdppingError as error:
        raise SystemExit(f"UDPPingerClient: {error}") from None
