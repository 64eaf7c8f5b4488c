"""`udpping reflector`: answer test packets of STAMP until Ctrl-C, then print the counters."""

from time import sleep

from udpping._args.keys import exposed
from udpping._args.limits import STAMP_PORT
from udpping._console import hosts
from udpping._console.options import Parser, add_listener
from udpping._services.reflector import Reflector
from udpping._services.service import LOOK
from udpping.cli._end import ASKING, Noted, calling
from udpping.cli._output import Report, command_parser, warn
from udpping.cli._serving import print_counters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

PURPOSE = """Answer the test packets of STAMP (RFC 8762, 8972) and TWAMP Light until Ctrl-C.

An answer says when the packet arrived and when the answer left, so that whoever sent it measures the path
without the time that it spent here: udpping ping --stamp HOST.

Port 862 needs extra rights on many systems; --port 8620 does not."""

SETTINGS = (
    *("stateless", "admit", "keys", "base_reply", "drop_replayed", "location", "send_stamps"),
    *("timestamps", "port_tries"),
)


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    report = Report(json=options.json, beside=True)
    warn(exposed(options.keys), "reflector")
    reflector = bind(options)
    if options.send_stamps and not reflector.stamps_sends:
        warn("this system does not tell when answers leave: --send-stamps has no effect", "reflector")
    with calling(reflector.stop):
        serve(reflector, report)
    reflector.wait()
    report.say()
    print_counters(reflector, report)
    return 0


def bind(options: "Namespace") -> Reflector:
    settings = {name: getattr(options, name) for name in SETTINGS}
    return hosts.on_every_interface(options.host, lambda host: Reflector(host, options.port, **settings))


def serve(reflector: Reflector, report: Report) -> None:
    """Answer until a signal stops it."""
    asked = Noted(ASKING)
    reflector.start()
    announce(reflector, report)
    while reflector.running:
        sleep(LOOK)
        if asked.take():
            print_counters(reflector, report)


def announce(reflector: Reflector, report: Report) -> None:
    host, port = reflector.bound
    here, elsewhere = hosts.ways("ping --stamp", reflector.bound, reflector.address)
    report.record("start", bound=host, port=port, client=here, clients_elsewhere=elsewhere)
    report.say(hosts.whereabouts(reflector.bound))
    report.ways(here, elsewhere)
    report.tell("Ctrl-C ends it and prints the counters")


def parser() -> Parser:
    options = command_parser("reflector", PURPOSE)
    add_listener(options, STAMP_PORT)
    options.add_argument(
        "--stateless",
        action="store_true",
        help="repeat the number of each packet, instead of counting the answers of each session",
    )
    options.add_argument(
        "--admit",
        metavar="learned|provisioned",
        default="learned",
        help="learned: answer every session; provisioned: those with a line in --keys (default: learned)",
    )
    options.add_argument(
        "--key",
        "--keys",
        dest="keys",
        metavar="FILE",
        help="answer only packets with an HMAC by a secret from this file: SECRET, SSID SECRET or"
        " SSID SECRET ADDRESSES on each line",
    )
    options.add_argument(
        "--base-reply",
        action="store_true",
        help="answer packets of TWAMP Light that are shorter than the answer, 100 a second to each address",
    )
    options.add_argument(
        "--drop-replayed", action="store_true", help="do not answer packets that were received before"
    )
    options.add_argument(
        "--location", action="store_true", help="tell senders the addresses and ports of their packets"
    )
    options.add_argument(
        "--send-stamps",
        action="store_true",
        help="let the kernel take the time at which each answer leaves, and tell it in the next one, if asked"
        " for: udpping ping --protocol stamp:follow-up",
    )
    options.add_argument(
        "--timestamps", metavar="ntp|ptp", default="ntp", help="format of the times (default: ntp)"
    )
    return options
