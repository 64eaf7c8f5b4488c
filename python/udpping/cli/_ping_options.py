"""The options of `udpping ping`, those of ping and fping where it has them, and its targets."""

from udpping import _core
from udpping._args.durations import LINGER, SIMULATION, SPIN, WAIT
from udpping._args.limits import DEFAULT_PORT, MAX_PAYLOAD, MOST_PINGS, STAMP_PORT
from udpping._args.options import COUNT, FIRST_SEQ, MESSAGE, PROTOCOL, SCHEDULE, TIMEOUT, TIMES, port_of
from udpping._args.targets import parse_target
from udpping._console.options import Parser, any_whole, port, whole
from udpping.cli._end import held
from udpping.cli._output import command_parser
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from udpping.lab._client import Client

PURPOSE = """Ping UDP servers that answer, such as `udpping server`: once a second, unless told otherwise.

Each row is a ping: who replied with how many bytes, the hops left (ttl), and the round-trip time. A late
reply came after the timeout: it counts as lost. The summary is printed at the end, and on SIGQUIT (Ctrl-\\)
or SIGUSR1.

With --profile, one server is pinged and the output is that of the lab's UDPPingerClient.py, at its pace:
see udpping lab --list.

To a file or a pipe every row is printed, however slow that is: with -f the pings wait for it; on a schedule
the rows wait in memory, then in a temporary file. A terminal that is too slow is shown fewer rows, and how
many are left out.

Exit code 0: each server replied in time. 1: one of them did not, or -w ended the run before all pings of -c
were sent. 2: the command could not run, or rows are left out because the temporary file has no room."""
INTERVAL = 1.0
# Not options of argparse: with such options it takes the `-1` of `--interval -1` for an option too.
SHORT = {"-4": "--ipv4", "-6": "--ipv6"}
ELSEWHERE = {
    "-A": "-f, which sends the next ping when the last one is settled",
    "-C": "-c N",
    "-M": "--df",
    "-O": "the default: a ping without a reply has its row",
    "-S": "-I ADDRESS",
}
"""Options of ping and fping that have another name here."""
NO_NUMBER = {
    "t": "it pings until Ctrl-C; for at most {0} hops, as ping's -t on Linux, use --ttl {0}",
    "n": "it prints addresses without names; for {0} pings, as ping's -n on Windows, use -c {0}",
}
"""Options that take a number in some ping, and what it means there."""


def read(words: list[str], client: "Client | None") -> "Namespace":
    """Read the words of the command; options and hosts may alternate."""
    options = parser(client)
    words = [SHORT.get(word, word) for word in words]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        letter = word.rstrip("0123456789")[-1:]
        if word[:1] == "-" and word[1:2] != "-" and letter in NO_NUMBER:
            number = word[len(word.rstrip("0123456789")) :] or following
            if number.isdecimal():
                options.error(f"-{letter} takes no number here: {NO_NUMBER[letter].format(number)}")
        if word == "-f" and _is_file(following):
            options.error(f"-f takes no file here; for the hosts in {following}, use --targets")
    with held():
        found = options.parse_intermixed_args(words)
    if client is not None and (found.targets_file or len(found.targets) > 1):
        options.error("--profile pings one HOST")
    if not found.targets and found.targets_file is None:
        if client is None:
            options.error("HOST[:PORT] is missing: expected at least one, or --targets FILE")
        found.targets = [client.host]
    return found


def targets(options: "Namespace") -> list[tuple[str, int]]:
    """Return host and port of each target, from the words and the file."""
    places: dict[tuple[str, int], str] = {}
    for place, text in _texts(options):
        begin = f"{place}: " if place else ""
        try:
            target = _target(text, port_of(options.protocol) if options.port is None else options.port)
        except ConfigError as error:
            raise ConfigError(f"{begin}{error}") from None
        if target in places:
            first = f"; it is in {places[target]}" if places[target] else ""
            raise ConfigError(f"{begin}target {text!r} is not usable: expected each host once{first}")
        places[target] = place
    if not places:
        raise ConfigError(f"{_name(options.targets_file)} is not usable: expected a host in a line")
    return list(places)


def _texts(options: "Namespace") -> "Iterator[tuple[str, str]]":
    for text in options.targets:
        yield "", text
    if options.targets_file is None:
        return
    for number, line in enumerate(_lines(options.targets_file), 1):
        if text := line.partition("#")[0].strip():
            yield f"{_name(options.targets_file)}, line {number}", text


def _target(text: str, default: int) -> tuple[str, int]:
    try:
        text.encode()
    except UnicodeEncodeError:
        raw = text.encode("utf-8", "surrogateescape")
        raise ConfigError(f"target {raw!r} is not usable: expected text in UTF-8") from None
    if any(map(str.isspace, text)):
        raise ConfigError(f"target {text!r} is not usable: expected one HOST or HOST:PORT")
    host, number = parse_target(text, default)
    if host.isdecimal():
        raise ConfigError(
            f"target {text!r} is not usable: expected a name or an IP address; does the option before it"
            " take no value?"
        )
    return host, number


def _lines(path: str) -> list[str]:
    import sys
    from pathlib import Path

    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise OSError(error.errno, f"cannot read {_name(path)}: {error.strerror}") from None
    return data.decode("utf-8-sig", "surrogateescape").splitlines()


def _is_file(path: str) -> bool:
    from pathlib import Path

    return Path(path).is_file()


def _name(path: str) -> str:
    return "standard input" if path == "-" else path


def parser(client: "Client | None" = None) -> Parser:
    """Make the parser; a client of the lab has its own defaults."""
    options = command_parser("ping", PURPOSE)
    options.elsewhere = ELSEWHERE
    options.add_argument(
        "targets",
        nargs="*",
        metavar="HOST[:PORT]",
        help="a host to ping, one or several; IPv6 with a port as [ADDRESS]:PORT",
    )
    options.add_argument(
        "--targets",
        dest="targets_file",
        metavar="FILE",
        help="more hosts, one in a line, # begins a comment; - is standard input",
    )
    _add_pace(options)
    _add_socket(options)
    _add_output(options)
    options.set_defaults(message=MESSAGE, first_seq=FIRST_SEQ)
    if client is not None:
        names = ("port", "count", "timeout", "interval", "message", "first_seq")
        options.set_defaults(linger=0, **{name: getattr(client, name) for name in names})
    return options


def _add_pace(options: Parser) -> None:
    """Add what says when pings leave and how long to wait for replies."""
    options.add_argument("--profile", metavar="NAME", help="ping and print as that client of the lab")
    number = options.add_mutually_exclusive_group()
    number.add_argument(
        "-c",
        "--count",
        type=whole(1, MOST_PINGS),
        metavar="N",
        help=f"pings to each host (default: {COUNT}; with -w as many as fit)",
    )
    number.add_argument("-t", "--forever", action="store_true", help="ping until Ctrl-C, in constant memory")
    options.add_time(
        "-i",
        "--interval",
        within=WAIT,
        help=f"time between two pings to a host (default: {INTERVAL:g}s)",
    )
    options.add_argument(
        "-f",
        "--flood",
        action="store_true",
        help="send the next ping when the last one is settled, -c of them; with -i: allow intervals under"
        f" {_core.SHORTEST_GAP / 1e6:g}ms to other machines",
    )
    options.add_argument(
        "--schedule",
        default=SCHEDULE,
        metavar="NAME",
        help=f"with -i: isochronous, poisson, uniform[:SHARE], train:N or pair (default: {SCHEDULE})",
    )
    options.add_argument("--seed", type=any_whole, metavar="N", help="repeat a random schedule")
    options.add_argument(
        "--busy",
        action="store_true",
        help="busy-poll for replies: the shortest round trips, but a full processor core",
    )
    options.add_time(
        "--spin", within=SPIN, help="busy-wait this long before a ping is due (default: adaptive)"
    )
    options.add_time(
        "-W",
        "--timeout",
        within=WAIT,
        default=TIMEOUT,
        help=f"how long to wait for a reply (default: {TIMEOUT:g}s)",
    )
    options.add_time("-w", "--deadline", within=SIMULATION, help="end the run after this time")
    options.add_time(
        "-l",
        "--linger",
        within=LINGER,
        help="how long to wait for late replies at the end (default: the timeout, if replies are missing)",
    )
    options.add_argument(
        "--misses",
        type=whole(1, MOST_PINGS),
        metavar="N",
        help="give up on a host after N pings in a row without a reply",
    )
    options.add_argument(
        "--detector",
        metavar="NAME",
        help="print when a host is down, and when it is up again: calibrated:1 per day for one false alarm"
        " a day, fixed:3 for three misses, or another detector of udpping monitor",
    )


def _add_socket(options: Parser) -> None:
    """Add what is special about the datagrams."""
    options.add_argument(
        "-p",
        "--port",
        type=port,
        metavar="PORT",
        help=f"port, where HOST has none (default: {DEFAULT_PORT}, with --stamp {STAMP_PORT})",
    )
    protocol = options.add_mutually_exclusive_group()
    protocol.add_argument(
        "--stamp",
        dest="protocol",
        action="store_const",
        const="stamp",
        default=PROTOCOL,
        help="send test packets of STAMP (RFC 8762), for a reflector: see udpping reflector",
    )
    protocol.add_argument(
        "--server-times",
        dest="protocol",
        action="store_const",
        const=TIMES,
        help="ask the server for its times: see udpping server --server-times",
    )
    protocol.add_argument(
        "--protocol",
        default=PROTOCOL,
        metavar="NAME",
        help="text; text:times; stamp; or stamp:ssid=N,timestamps=ptp, which names the session and sets the"
        " format of times. The last three also with follow-up, as in text:times,follow-up or stamp:follow-up,"
        " which asks each reply when the one before left by the kernel there"
        f" (default: {PROTOCOL})",
    )
    options.add_argument(
        "--key",
        metavar="FILE",
        help="sign test packets with the secret in this file, as the reflector has it",
    )
    options.add_argument(
        "-s", "--size", type=whole(1, MAX_PAYLOAD), metavar="BYTES", help="bytes of payload in each ping"
    )
    options.add_argument("-I", "--bind", metavar="ADDRESS", help="local IP address or interface to send from")
    options.add_argument("--ttl", type=whole(1, 255), metavar="N", help="hop limit of pings")
    options.add_argument("--dscp", type=whole(0, 63), metavar="N", help="class of service (DSCP) of pings")
    options.add_argument("--df", action="store_true", help="forbid routers to fragment pings")
    options.add_argument(
        "-b",
        "--broadcast",
        action="store_true",
        help="allow broadcast and multicast addresses; the first reply counts, others are duplicates",
    )
    family = options.add_mutually_exclusive_group()
    family.add_argument("--ipv4", dest="family", action="store_const", const="ipv4", help="IPv4 only (or -4)")
    family.add_argument("--ipv6", dest="family", action="store_const", const="ipv6", help="IPv6 only (or -6)")


def _add_output(options: Parser) -> None:
    """Add what is printed."""
    options.add_argument("-D", "--stamps", action="store_true", help="print the time before each row")
    options.add_argument("-n", "--numeric", action="store_true", help="print addresses without names in rows")
    options.add_argument("-v", "--verbose", action="store_true", help="print the payload of each reply too")
    options.add_argument(
        "-q", "--quiet", action="store_true", help="print the summary only, and what --detector finds"
    )
    options.add_time(
        "-Q", "--interim", within=WAIT, help="as -q, and print the counts of each host at this interval"
    )
