"""`udpping server`: answer until Ctrl-C, then print the counters."""

import sys
from warnings import catch_warnings

from udpping._args.limits import DEFAULT_PORT
from udpping._args.link import Link
from udpping._args.path import path
from udpping._console import hosts, streams
from udpping._console.options import Parser, add_listener, any_whole, chosen_profile, whole
from udpping._results.rows import LogRow
from udpping._services.server import Server
from udpping.cli._output import Report, command_parser
from udpping.cli._serving import PATHS, print_achieved, print_counters, serve, sinks_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from udpping.lab._server import Server as LabServer

PURPOSE = (
    """Answer UDP datagrams, and drop or delay some of them on purpose, until Ctrl-C.

With --profile NAME it answers and prints as the UDPPingerServer.py of the networking course does; udpping
lab --list explains the profiles.

LOSS is one of
  0.3, 30%, 4/11             drop this share
  burst:5%,3                 drop 5 %, in runs of 3 on average
  gilbert-elliott:1%,25%     a channel gets bad with 1 %, good again with 25 %
  gilbert-elliott-time:10s,500ms
                             a channel is good for 10 s, then bad for 500 ms
  correlated:5%,0.9          drop 5 %, with a correlation of 0.9
  every:10                   drop each tenth
  list:3,7                   drop the third and the seventh
  pattern:.xx.               drop where there is an x, again and again
  trace:.x..x                the same, once; trace-repeat:.x repeats it
  randint:0,10,4             drop when Python's randint(0, 10) is below 4

DELAY is one of
  50ms, 0.05 (seconds)       delay each reply for so long
  uniform:0ms,200ms          for a time between the two
  exponential:5ms,base=20ms  by a distribution, on top of a base; likewise
  lognormal:median=5ms,sigma=0.8,base=20ms
  gamma:mean=5ms,shape=2,base=20ms   normal:mean=40ms,sigma=5ms
  pareto:scale=5ms,shape=3   weibull:scale=5ms,shape=0.8
  table:10ms,12ms,30ms       by quantiles: the shortest, ..., the longest
  empirical:10ms,30ms,12ms   one of these, each as likely
  trace:10ms,30ms,12ms       one after the other; trace-repeat:10ms,30ms
                             repeats them
  and ,correlation=0.5 (with the last one) and ,floor=5ms (the least)

LINK has one or several of these, with ; between them, such as
"loss=burst:5%,3; delay=40ms; rate=1Mbit/s":
  loss=LOSS, delay=DELAY     as above
  jitter=5ms                 wait up to 5 ms more, and keep the order
  reorder=5%,10ms            hold 5 % back: what follows within 10 ms overtakes
  duplicate=1%,2             make two copies of 1 %
  corrupt=1%,3               flip 3 bits in 1 %
  truncate=1%,64             cut 1 % after 64 bytes
  mtu=1400                   drop longer IP packets
  rate=1Mbit/s               send no faster
  queue=64KiB, queue=100     what may wait for the rate, in bytes or packets
  schedule=10s-12s,every=60s drop all in these times
  schedule=10s-20s:loss=0..50%
                             drop more and more in them
  first=3                    leave each client's first three alone
  match=0=0x5069             all this for payloads that begin so alone, or of
                             a length=100-200; the others are not counted

"""
    + PATHS
    + """

REPLY is one of
  upper                      the request in capitals
  same                       the request as it is
  "pong {seq}"               a text; it may have {message}, {upper}, {seq},
                             {time}, {now}, {diff:.6f}, {lost}, {pad:1024}"""
)


SETTINGS = (
    "loss",
    "delay",
    "up",
    "down",
    "reply",
    "seed",
    "scope",
    "port_tries",
    "workers",
    "gso",
    "server_times",
    "send_stamps",
)


def main(words: list[str]) -> int:
    profile = profile_server(words)
    options = parser(profile).parse_args(words)
    report = Report(json=options.json, beside=True)
    if profile is not None and not options.json:
        if options.log or options.verbose:
            raise ConfigError("--log and -v cannot be used with --profile: leave one out, or add --json")
        profile.settle(options)
        return profile.run()
    server = bind(options)
    if options.send_stamps and not server.stamps_sends:
        streams.write("udpping server: this system does not tell when replies leave", sys.stderr)
    serve(
        server,
        report,
        sinks_of(options, report, LogRow._fields),
        announce=lambda: announce(server, report),
        show=lambda: print_counters(server, report),
    )
    if options.up or options.down or options.link is not None:
        print_achieved(server, report)
    return 0


def bind(options: "Namespace") -> Server:
    settings = {name: getattr(options, name) for name in SETTINGS}
    if options.link is not None:
        if options.up or options.down:
            raise ConfigError("--link cannot be used with --up or --down, as it says both: leave one out")
        settings |= path(options.link)
    else:
        settings |= {name: way(name, getattr(options, name)) for name in ("up", "down")}
    with catch_warnings(record=True) as warnings:
        server = hosts.on_every_interface(options.host, lambda host: Server(host, options.port, **settings))
    for warning in warnings:
        streams.write(f"udpping server: warning: {warning.message}", sys.stderr)
    return server


def way(name: str, texts: list[str]) -> Link:
    """Read what is said of a direction, in one option or several."""
    try:
        return Link("; ".join(texts))
    except ConfigError as error:
        raise ConfigError(f"--{name}: {error}") from None


def announce(server: Server, report: Report) -> None:
    host, port = server.bound
    here, elsewhere = hosts.ways("ping", server.bound, server.address)
    settings = {
        name: getattr(server, name) for name in ("loss", "delay", "up", "down", "reply", "seed", "scope")
    }
    report.record("start", bound=host, port=port, **settings, client=here, clients_elsewhere=elsewhere)
    report.say(hosts.whereabouts(server.bound))
    report.tell(f"loss {server.loss}, delay {server.delay}, reply {server.reply}, seed {server.seed}")
    said = {f"loss={server.loss}", f"delay={server.delay}", ""}
    for name, link in (("up", server.up), ("down", server.down)):
        if link not in said:
            report.tell(f"{name}: {link}")
    report.ways(here, elsewhere)
    report.tell("Ctrl-C ends it and prints the counters")


def profile_server(words: list[str]) -> "LabServer | None":
    name = chosen_profile(words)
    if name is None:
        return None
    from udpping import lab

    return lab.profile(name).PingerServer(script="UDPPingerServer")


def parser(profile: "LabServer | None" = None) -> Parser:
    """Make the parser; a server of the lab has its own defaults."""
    options = command_parser("server", PURPOSE)
    add_listener(options, DEFAULT_PORT)
    options.add_argument("--loss", default="0", help="datagrams to drop (default: 0, none)")
    options.add_argument("--delay", default="0", help="how long to delay each reply (default: 0)")
    if profile is None:
        options.add_argument(
            "--up",
            metavar="LINK",
            action="append",
            default=[],
            help="what happens to requests (default: nothing); several are one link",
        )
        options.add_argument(
            "--down", metavar="LINK", action="append", default=[], help="what happens to replies, likewise"
        )
        options.add_argument(
            "--link",
            metavar="PATH",
            help="both ways: a known kind of path, or a TOML file with [up] and [down]",
        )
    else:
        options.set_defaults(up=[], down=[], link=None)
    options.add_argument("--reply", default="upper", help="what to answer (default: upper)")
    options.add_argument(
        "--seed",
        type=any_whole,
        metavar="N",
        help="repeat losses and delays: client by client, in the order in which clients come",
    )
    options.add_argument(
        "--scope",
        metavar="client|same|shared",
        help="client: each client has losses of its own; same: every client has the same ones, also one that"
        " is started again; shared: the datagrams of all are one sequence (client; shared with randint)",
    )
    options.add_argument(
        "--workers",
        type=whole(1, 64),
        default=1,
        metavar="N",
        help="threads that serve; more than 1 on Linux only (default: 1)",
    )
    options.add_argument(
        "--gso",
        action="store_true",
        help="send replies to one client together, as one packet (Linux): less CPU time, but a drop on this"
        " machine takes all of them",
    )
    options.add_argument(
        "--server-times",
        action="store_true",
        help="tell pings that ask (udpping ping --server-times) when they arrived, and which ones did",
    )
    options.add_argument(
        "--send-stamps",
        action="store_true",
        help="with --server-times, let the kernel take the time at which each reply leaves, and tell it in"
        " a later one, if asked for: udpping ping --protocol text:times,follow-up",
    )
    options.add_argument(
        "--log",
        metavar="FILE",
        help="add a line for each datagram to FILE: JSON lines if its name ends in .json, .jsonl or .ndjson,"
        " else CSV",
    )
    options.add_argument("-v", "--verbose", action="store_true", help="print a line for each datagram")
    options.add_argument("--profile", metavar="NAME", help="answer and print as that server of the course")
    if profile is not None:
        names = ("host", "port", "port_tries", "loss", "delay", "reply", "scope")
        options.set_defaults(**{name: getattr(profile, name) for name in names})
    return options
