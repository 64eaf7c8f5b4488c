"""UDPPingerServer: answers every ping in capitals, except those that it loses on purpose.

    python UDPPingerServer.py [--host ADDRESS] [--port PORT] [--loss LOSS] [--seed N]

It loses a ping when random.randint(0, 10) < 4, that is 4 of 11. On standard error it says where it listens,
and what to type on another machine; on standard output it prints nothing. Ctrl-C ends it and prints what it
has done.
"""

import sys
from contextlib import suppress

import udpping
from udpping import lab


def main() -> None:
    """Answer until Ctrl-C."""
    options = lab.server_options()
    # One stream of random numbers for all clients, as in the course: "shared".
    server = udpping.Server(options.host, options.port, loss=options.loss, seed=options.seed, scope="shared")
    print(f"UDPPingerServer: {lab.where(server)}", file=sys.stderr, flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except udpping.UdppingError as error:
        raise SystemExit(f"UDPPingerServer: {error}") from None
