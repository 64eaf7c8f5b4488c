"""The networking course's programs, with the same names and output and without their bugs.

`udpping lab DIR` writes `UDPPingerServer.py` and `UDPPingerClient.py`, short scripts to read and to change.
Here is what they share: their options. What a course's programs say and do is a profile, such as `book`.
"""

from argparse import SUPPRESS, Namespace

from udpping._options import Parser, any_whole, port, seconds, whole
from udpping.lab import book

__all__ = ["SCRIPTS", "book", "client_options", "server_options"]

MOST_PINGS = 2**32 - 1
SCRIPTS = ("UDPPingerServer.py", "UDPPingerClient.py")


def server_options(words: list[str] | None = None) -> Namespace:
    """Read the options of the server script: `host`, `port`, `loss` and `seed`.

    Without `--loss` the server draws as CPython does, so `--seed` repeats what the course's own server with
    `random.seed(N)` would lose. `--loss` is an exact probability instead.

    >>> from udpping import lab
    >>> options = lab.server_options(["--port", "12001", "--seed", "42"])
    >>> options.port, options.loss, options.seed
    (12001, 'randint:0,10,4', 42)
    """
    parser = Parser(None, f"Answers pings in capitals and loses {book.SHARE} of them.")
    parser.add_argument(
        "--host", default=book.HOST, metavar="HOST", help="address to listen at (all interfaces)"
    )
    parser.add_argument(
        "--port", type=port, default=book.PORT, metavar="PORT", help=f"UDP port ({book.PORT})"
    )
    parser.add_argument(
        "--loss", default=book.LOSS, help=f"share of pings to lose: 0.3, 30%% or 4/11 ({book.SHARE})"
    )
    parser.add_argument(
        "--seed", type=any_whole, metavar="N", help="any whole number makes the losses repeat"
    )
    return parser.parse_args(words)


def client_options(words: list[str] | None = None) -> Namespace:
    """Read the options of the client script: `host`, `port`, `count` and `timeout`.

    >>> from udpping import lab
    >>> options = lab.client_options(["192.0.2.7", "--count", "5"])
    >>> options.host, options.port, options.count, options.timeout
    ('192.0.2.7', 12000, 5, 1.0)
    """
    parser = Parser(None, "Pings a server and tells round trips and losses.")
    parser.add_argument("host", nargs="?", default=SUPPRESS, metavar="HOST", help="the server, as --host")
    parser.add_argument(
        "port", nargs="?", type=port, default=SUPPRESS, metavar="PORT", help="its UDP port, as --port"
    )
    parser.add_argument("--host", default="localhost", metavar="HOST", help="the server (localhost)")
    parser.add_argument(
        "--port", type=port, default=book.PORT, metavar="PORT", help=f"its UDP port ({book.PORT})"
    )
    parser.add_argument(
        "--count", type=whole(1, MOST_PINGS), default=book.COUNT, metavar="N", help=f"pings ({book.COUNT})"
    )
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=book.TIMEOUT,
        metavar="S",
        help=f"seconds to wait ({book.TIMEOUT:g})",
    )
    return parser.parse_args(words)
