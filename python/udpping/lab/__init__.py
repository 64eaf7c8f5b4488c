"""The networking course's programs, with the same names and output and without their bugs.

`udpping lab DIR` writes `UDPPingerServer.py` and `UDPPingerClient.py`, short scripts to read and to change.
Here is what they share: their options, and the line that says where a server is. What a course's programs
say and do is a profile, such as `book`.
"""

from argparse import Namespace

from udpping._options import Parser, any_whole, port, seconds, whole
from udpping.lab import book

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._server import Server

__all__ = ["SCRIPTS", "book", "client_options", "server_options", "where"]

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


def where(server: "Server") -> str:
    """Say on one line where a server listens, its seed, and what somebody on another machine types.

    >>> import udpping
    >>> from udpping import lab
    >>> with udpping.Server(port=0, seed=42) as server:
    ...     print(lab.where(server))
    listening on 127.0.0.1, UDP port ..., seed 42; only from this machine: python UDPPingerClient.py ...
    """
    from udpping._server import is_loopback
    from udpping.cli import _hosts

    host, port = server.bound
    wild = host in {"0.0.0.0", "::"}  # noqa: S104 - told, not bound
    found = [each for each in _hosts.addresses() if host == "::" or ":" not in each] if wild else [host]
    client, here = "python UDPPingerClient.py", server.address[0]
    if found and not is_loopback(found[0]):
        whence, command = "from another machine", f"{client} {found[0]} {port}"
    else:
        whence, command = "only from this machine", f"{client} {here} {port}"
    place = "every interface" if wild else host
    return f"listening on {place}, UDP port {port}, seed {server.seed}; {whence}: {command}"


def client_options(words: list[str] | None = None) -> Namespace:
    """Read the options of the client script: `host`, `port`, `count` and `timeout`.

    >>> from udpping import lab
    >>> options = lab.client_options(["192.0.2.7", "--count", "5"])
    >>> options.host, options.port, options.count, options.timeout
    ('192.0.2.7', 12000, 5, 1.0)
    """
    parser = Parser(None, "Pings a server and tells round trips and losses.")
    parser.add_argument("named", nargs="?", metavar="HOST", help="the server, as --host")
    parser.add_argument("numbered", nargs="?", type=port, metavar="PORT", help="its UDP port, as --port")
    parser.add_argument("--host", metavar="HOST", help="the server (localhost)")
    parser.add_argument("--port", type=port, metavar="PORT", help=f"its UDP port ({book.PORT})")
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
    options = parser.parse_args(words)
    for option, place in (("host", options.named), ("port", options.numbered)):
        given = getattr(options, option)
        if given is not None and place is not None:
            parser.error(f"--{option} {given} and {place} are one too many: expected only one of them")
    options.host = options.named or options.host or "localhost"
    options.port = options.numbered or options.port or book.PORT
    return options
