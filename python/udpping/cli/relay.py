"""`udpping relay`: pass datagrams between clients and a target until Ctrl-C, then print the counters."""

import sys
from time import monotonic
from warnings import catch_warnings

from udpping import _core
from udpping._args import durations
from udpping._args.limits import MAX_PORT
from udpping._args.link import Link
from udpping._args.path import KEYS, path
from udpping._args.targets import is_loopback, parse_target, target_text
from udpping._console import hosts, streams
from udpping._console.options import Parser, any_whole
from udpping._results.rows import RelayRow
from udpping._services.relay import Relay
from udpping.cli._output import Report, command_parser
from udpping.cli._serving import PATHS, print_achieved, print_counters, serve, sinks_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

SECOND = 1.0
PURPOSE = (
    """Pass UDP datagrams between clients and a target, and drop, delay or change some of them on
purpose, until Ctrl-C. Clients send to this relay instead of the target, and get its replies from here.

  udpping relay --listen :5300 --to 127.0.0.1:53 --loss 5% --delay 40ms

--loss, --delay and the other options of a link say what happens in both directions; --up says it of the
direction towards the target alone, and --down of that towards clients. udpping server --help says how each
is written.

LINK has one or several of loss, delay, jitter, reorder, duplicate, corrupt,
truncate, mtu, rate, queue, schedule, first and match, such as
  "loss=burst:5%,3; delay=40ms; rate=1Mbit/s"

"""
    + PATHS
)

LINK_OPTIONS = {
    "loss": "datagrams to drop",
    "delay": "how long each takes",
    "jitter": "how much longer they take, in their order",
    "reorder": "which are delayed beyond the next ones, and for how long: 5%%,10ms",
    "duplicate": "which arrive twice: 1%%; or more often: 1%%,2",
    "corrupt": "in which a bit is flipped: 1%%; or more bits: 1%%,8",
    "truncate": "how many bytes are left: 64; or of some: 1%%,64",
    "mtu": "bytes of the longest IP packet that passes",
    "rate": "how fast they are sent: 1Mbit/s",
    "queue": "what may wait for the rate: 64KiB, or a number of packets",
    "schedule": "when nothing passes: 10s-12s,every=60s",
    "first": "how many at the beginning of each client are left alone",
    "match": "which datagrams all that is for, by their bytes: 0=0x5069 or length=100-200",
}


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    report = Report(json=options.json, beside=True)
    relay = bind(options)
    told: set[str] = set()
    looked = monotonic()

    def look(last: bool) -> None:  # noqa: FBT001 - its one argument
        nonlocal looked
        # With very many clients, each has drops to be asked for.
        if last or monotonic() - looked > SECOND:
            tell(relay, report, told)
            looked = monotonic()

    def show() -> None:
        print_counters(relay, report)
        print_achieved(relay, report)

    sinks = sinks_of(options, report, RelayRow._fields)
    serve(relay, report, sinks, announce=lambda: announce(relay, report), show=show, look=look)
    return 0


NO_ROOM = (
    "a client is refused: there is room for as many as there may be files open (ulimit -n), 65,536 at most,"
    " and the target has answered each of them; one that is silent for --idle makes room"
)


def tell(relay: Relay, report: Report, told: set[str]) -> None:
    """Say once that a client is refused, and that the target refuses."""
    counters = relay.counters
    refuses = (
        f"the target refuses: nothing listens at {target_text(*relay.target)}; clients do not see that, as"
        " only a kernel sends such an answer (ICMP)"
    )
    for count, text in ((counters.refused, NO_ROOM), (counters.unreachable, refuses)):
        if count and text not in told:
            told.add(text)
            report.record("problem", message=text)
            report.tell(report.alarm(text))


def bind(options: "Namespace") -> Relay:
    host, port = listen_address(options.listen)
    ways = {"up": "", "down": ""}
    if options.link is not None:
        ways = {name: str(way) for name, way in path(options.link).items()}
    said = {name: getattr(options, name) for name in LINK_OPTIONS}
    both = [f"{name}={value}" for name, value in said.items() if value is not None]
    for name, begin in ways.items():
        try:
            ways[name] = str(
                Link("; ".join([part for part in (begin, *both) if part] + getattr(options, name)))
            )
        except ConfigError as error:
            raise ConfigError(error_of(str(error), name, said)) from None
    with catch_warnings(record=True) as warnings:
        relay = Relay(
            options.to,
            host,
            port,
            up=ways["up"],
            down=ways["down"],
            seed=options.seed,
            idle=options.idle,
            follow_port=options.follow_port,
            spin=options.spin,
        )
    for warning in warnings:
        streams.write(f"udpping relay: warning: {warning.message}", sys.stderr)
    return relay


def error_of(error: str, way: str, said: "dict[str, str | None]") -> str:
    """Name the option that was typed."""
    key, _, rest = error.partition(" ")
    return error if said.get(key) is not None else f"--{way}: {key} {rest}"


def listen_address(text: str) -> tuple[str, int]:
    """Read `:PORT`, `HOST`, `HOST:PORT` or `[IPv6]:PORT`; without a host it is loopback.

    >>> from udpping.cli.relay import listen_address
    >>> listen_address(":5300"), listen_address("0.0.0.0:5300"), listen_address("[::1]:0")
    (('127.0.0.1', 5300), ('0.0.0.0', 5300), ('::1', 0))
    """
    host, colon, digits = text.rpartition(":")
    if colon and digits == "0":
        return host.removeprefix("[").removesuffix("]") or "127.0.0.1", 0
    try:
        # The system takes a number alone for an IPv4 address.
        typed = "" if text.isdecimal() else text
        return parse_target(typed if host or not colon else f"127.0.0.1:{digits}", 0, "listen")
    except ConfigError:
        raise ConfigError(
            f"listen {text!r} is not usable: expected :PORT (this machine alone), ADDRESS:PORT or"
            f" [IPv6]:PORT, with a port from 0 to {MAX_PORT}"
        ) from None


def announce(relay: Relay, report: Report) -> None:
    host, port = relay.bound
    target, client = target_text(*relay.target), target_text(*relay.address)
    up, down = str(relay.up), str(relay.down)
    report.record(
        "start", bound=host, port=port, target=target, up=up, down=down, seed=relay.seed, client=client
    )
    report.tell(f"{hosts.whereabouts(relay.bound)}, for {target}; {who(host)}")
    report.tell(f"up, towards the target: {up or 'nothing happens'}")
    report.tell(f"down, towards clients:  {down or 'nothing happens'}")
    report.tell(round_trip(up, down))
    report.tell(f"seed {relay.seed}")
    report.say(f"clients send to:        {client}, instead of {target}")
    report.tell("Ctrl-C ends it and prints the counters")


def who(host: str) -> str:
    """Say who can use a relay that listens there."""
    if is_loopback(host):
        return "programs on this machine can use it"
    return "everybody who can reach this address can use it, and so send to the target"


def round_trip(up: str, down: str) -> str:
    """Say what a round trip meets.

    >>> from udpping.cli.relay import round_trip
    >>> round_trip("loss=5%; delay=40ms", "loss=5%; delay=40ms")
    'lost are 5 % each way: 9.75 % of round trips; +80 ms'
    >>> round_trip("loss=5%", "delay=uniform:0ms,20ms")
    'lost are 5 % up and 0 % down: 5 % of round trips; +10 ms on average'
    >>> round_trip("delay=20ms; match=length=100-200", "jitter=uniform:0ms,9ms; rate=1Mbit/s")
    '+20 ms, only where match says so, beside what jitter and rate do'
    >>> round_trip("", "")
    'nothing is lost or delayed'
    """
    (lost_up, delay_up), (lost_down, delay_down) = _core.link_means(up), _core.link_means(down)
    ways = [Link(way).as_dict() for way in (up, down)]
    parts: list[str] = []
    if lost_up is None or lost_down is None:
        parts.append("how many are lost depends on how many there are")
    elif lost_up or lost_down:
        each = (
            f"{lost_up * 100:.4g} % each way"
            if lost_up == lost_down
            else f"{lost_up * 100:.4g} % up and {lost_down * 100:.4g} % down"
        )
        both = 1 - (1 - lost_up) * (1 - lost_down)
        parts.append(f"lost are {each}: {both * 100:.4g} % of round trips")
    if delay_up + delay_down:
        fixed = all(":" not in way.get("delay", "") for way in ways)
        parts.append(f"+{(delay_up + delay_down) / 1e6:.6g} ms" + ("" if fixed else " on average"))
    told = "; ".join(parts) or "nothing is lost or delayed"
    for keys, begin, one, several in (
        (("first", "match") if parts else (), "only where", "says so", "say so"),
        (("jitter", "reorder", "mtu", "rate", "schedule"), "beside what", "does", "do"),
    ):
        if said := [key for key in keys if any(key in way for way in ways)]:
            told += f", {begin} {' and '.join(said)} {one if len(said) == 1 else several}"
    return told


def parser() -> Parser:
    options = command_parser("relay", PURPOSE)
    options.add_argument(
        "--listen",
        metavar="[ADDRESS]:PORT",
        default=":0",
        help="where clients send to; without an address it is this machine alone; 0 takes any free port"
        " (default: :0)",
    )
    options.add_argument("--to", metavar="HOST:PORT", required=True, help="the target")
    for key in KEYS:
        options.add_argument(f"--{key}", metavar="VALUE", help=LINK_OPTIONS[key])
    options.add_argument(
        "--up",
        metavar="LINK",
        action="append",
        default=[],
        help="what happens towards the target (default: nothing); several are one link",
    )
    options.add_argument(
        "--down", metavar="LINK", action="append", default=[], help="what happens towards clients, likewise"
    )
    options.add_argument(
        "--link", metavar="PATH", help="both ways: a known kind of path, or a TOML file with [up] and [down]"
    )
    options.add_argument(
        "--seed",
        type=any_whole,
        metavar="N",
        help="repeat losses and delays: client by client, in the order in which clients come",
    )
    options.add_time(
        "--idle",
        within=durations.IDLE,
        default=300,
        help="forget a client that was silent for so long (default: 5m)",
    )
    options.add_argument(
        "--follow-port",
        action="store_true",
        help="let replies come from another port of the target too, and send what follows there, as for TFTP",
    )
    options.add_time(
        "--spin",
        within=durations.SPIN,
        default=0,
        help="look again and again for so long before a datagram is due: more exact, busy (default: 0)",
    )
    options.add_argument(
        "--log",
        metavar="FILE",
        help="add a line for each datagram to FILE: JSON lines if its name ends in .json, .jsonl or .ndjson,"
        " else CSV",
    )
    options.add_argument("-v", "--verbose", action="store_true", help="print a line for each datagram")
    return options
