"""`udpping doctor`: find out why a server does not answer, on this machine or elsewhere."""

import re
from errno import EHOSTUNREACH, ENETDOWN, ENETUNREACH

from udpping._args.durations import WAIT
from udpping._args.limits import DEFAULT_PORT
from udpping._args.targets import is_loopback, parse_target, target_text
from udpping._console import hosts
from udpping._console.options import Parser, port, whole
from udpping._console.program import text_of
from udpping._services.ping import Pinger
from udpping._services.session import Session
from udpping.cli._output import Report, command_parser
from udpping.errors import AddressError, ConfigError, Interrupted, NetworkError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Summary

PURPOSE = """Find out why a UDP server does not answer.

With HOST: ping it, and print whether the name is known, the port is closed, nothing comes back, or some
pings are lost, and what to do about it.

Without HOST: print the addresses of this machine, whether the port is free or which address has it, and the
command to type on another machine.

Exit code 0: it answers (without HOST: always); 1: it does not answer; 2: it could not be tried."""
WORDS = {
    "no such host": "the name has no address: check the spelling, or use the IP address",
    "no route": "this machine has no route to it: check the cable, the wireless network or the VPN",
    "not sent": "this machine could not send the pings; the reason is below",
    "refused": "the machine answers (ICMP) that nothing listens on that port: start the server, check the"
    " port, and check that the server listens on every interface (run udpping doctor on that machine)",
    "silent": "nothing came back: a firewall drops the pings or the replies, the machine is off, or the"
    " server drops every ping; try it on the same machine, then from the same network",
    "stopped": "it was stopped before a reply could arrive; run it again, or with a shorter --timeout",
    "loss": "it answers, but not every ping: the network or the server drops some",
    "late": "it answers after the timeout: try a longer --timeout, such as 5s",
    "fine": "it answers every ping",
}
NO_ROUTE = {ENETUNREACH, EHOSTUNREACH, ENETDOWN}
STAMPS = {
    "both": "on for sending and receiving: round-trip times leave out the time that this machine takes to"
    " wake udpping",
    "receive": "on for receiving only",
    "none": "off: round-trip times include the time that this machine takes to wake udpping",
}


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    report = Report(json=options.json)
    if options.target is None:
        return this_machine(options.port, report)
    host, number = parse_target(options.target, options.port)
    return other_machine(host, number, options.count, options.timeout, report)


def this_machine(number: int, report: Report) -> int:
    own = hosts.addresses()
    free, bound = hosts.is_free(number), hosts.listeners(number)
    hidden = bool(bound) and all(is_loopback(address) for address in bound or ())
    report.record("addresses", addresses=own)
    report.record(
        "port", port=number, free=free, bound=bound, loopback_only=hidden if bound is not None else None
    )
    report.tell(f"addresses of this machine: {', '.join(own) or 'only loopback: it is in no network'}")
    if free:
        report.tell(f"UDP port {number}: free; start a server with: udpping server --port {number}")
    elif bound is None:
        report.tell(f"UDP port {number}: in use by a program; this system does not show at which address")
    else:
        where = ", ".join(bound) or "an address not shown"
        report.tell(f"UDP port {number}: in use by a program that listens on {where}")
    if hidden:
        report.tell("  loopback only: other machines cannot reach it; let it listen on every interface")
    stamping = Session([("127.0.0.1", number)]).stamping
    report.record("stamps", kernel=stamping)
    report.tell(f"kernel time stamps:    {STAMPS[stamping]}")
    report.say(f"from this machine:     udpping ping localhost:{number}")
    commands = hosts.client_commands(number)
    for command in commands:
        report.say(f"from another machine:  {command}")
    report.record("commands", here=f"udpping ping localhost:{number}", elsewhere=commands)
    if commands:
        report.tell(
            "if only the first gets a reply, a firewall on this machine drops UDP datagrams to that port"
        )
    return 0


def other_machine(host: str, number: int, count: int, timeout: float, report: Report) -> int:
    """Ping a server elsewhere, and print a diagnosis."""
    name = target_text(host, number)
    run, address, verdict, detail = None, None, "", ""
    try:
        with Pinger(host, number, count=count, timeout=timeout, interval=timeout / 5) as pinger:
            address = pinger.address
            run = pinger.run()
    except Interrupted as stopped:
        run = stopped.run
    except ConfigError as error:
        # The options that a broadcast address needs are those of ping.
        raise ConfigError(re.sub(r"\w+=\S+ \((-[^()]*)\)", r"udpping ping \1", str(error))) from None
    except AddressError as error:
        verdict, detail = "no such host", text_of(error)
    except NetworkError as error:
        verdict, detail = "no route" if error.errno in NO_ROUTE else "not sent", text_of(error)
    summary = None
    if run is not None:
        summary, detail = run.summary, "\n".join(run.problems.values())
        verdict = diagnose(summary)
    facts = {"verdict": verdict, "advice": WORDS[verdict], "detail": detail}
    counts = summary.as_dict() if summary else None
    report.record("diagnosis", target=name, address=address, **facts, summary=counts)
    report.say(f"{name}" + (f" ({address})" if address and address != name else ""))
    report.tell(f"{verdict}: {WORDS[verdict]}")
    if detail:
        report.tell(detail)
    if summary:
        for line in repr(summary).splitlines():
            report.tell(line)
    if summary is None or verdict == "stopped":
        return 2
    return 0 if summary.received else 1


def diagnose(summary: "Summary") -> str:
    if summary.received:
        return "loss" if summary.lost else "fine"
    if summary.late:
        return "late"
    if summary.errors:
        return "not sent"
    if summary.unreachable:
        return "refused"
    return "silent" if summary.lost else "stopped"


def parser() -> Parser:
    options = command_parser("doctor", PURPOSE)
    options.add_argument("target", nargs="?", metavar="HOST[:PORT]", help="the server to ping")
    options.add_argument(
        "-p",
        "--port",
        type=port,
        default=DEFAULT_PORT,
        metavar="PORT",
        help="the port of the server (default: 12000)",
    )
    options.add_argument(
        "-c",
        "--count",
        type=whole(1, 1000),
        default=10,
        metavar="N",
        help="pings to send to HOST (default: 10)",
    )
    options.add_time(
        "-W", "--timeout", within=WAIT, default=1.0, help="how long to wait for each reply (default: 1s)"
    )
    return options
