"""What `server`, `relay` and `reflector` have in common: they serve until Ctrl-C and print what they did."""

from time import monotonic, sleep

from udpping._services.service import LOOK
from udpping.cli._end import ASKING, HANGUP, Noted, calling
from udpping.cli._output import Report
from udpping.cli._server_log import File, Screen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from udpping._services.reflector import Reflector
    from udpping._services.relay import Relay
    from udpping._services.server import Server

PATHS = """PATH is one of gprs, edge, 2g, 3g-slow, 3g, 3g-fast, 4g, lte, dialup, dsl, cable,
fiber, wifi, wifi-bad, satellite-leo and satellite-geo"""


def sinks_of(options: "Namespace", report: Report, fields: tuple[str, ...]) -> "list[File | Screen]":
    """Make what --log and -v ask for; the file has these columns."""
    sinks: list[File | Screen] = [File(options.log, report, fields)] if options.log else []
    if options.verbose:
        sinks.append(Screen(report))
    return sinks


def serve(
    server: "Server | Relay",
    report: Report,
    sinks: "list[File | Screen]",
    *,
    announce: "Callable[[], None]",
    show: "Callable[[], None]",
    look: "Callable[[bool], None]" = lambda _: None,
) -> None:
    """Serve until a signal stops it; write what still waits, and show the counters.

    `show` is also called when a signal asks for it, and `look` again and again: at the end with True.
    """
    log = next((sink for sink in sinks if isinstance(sink, File)), None)
    with calling(server.stop):
        asked, moved = Noted(ASKING), Noted(HANGUP if log else ())
        if sinks:
            server.follow()
        server.start()
        announce()
        while server.running:
            if sinks:
                take(server, sinks, LOOK)
            else:
                sleep(LOOK)
            look(False)
            if asked.take():
                show()
            if log and moved.take():
                log.reopen()
        if sinks:
            take(server, sinks, None)
        look(True)
    if log:
        log.end(server.missed_events)
    server.wait()
    report.say()
    show()


def take(server: "Server | Relay", sinks: "list[File | Screen]", seconds: float | None) -> None:
    """Write what is done with datagrams, for so long, or until the server has stopped and nothing waits."""
    left, end = seconds, monotonic() + (seconds or 0)
    while left is None or left > 0:
        event = server.next_event(left)
        if event is None:
            break
        for sink in sinks:
            sink.add(event)
        left = None if seconds is None else end - monotonic()
    for sink in sinks:
        sink.flush()


def print_counters(server: "Server | Relay | Reflector", report: Report) -> None:
    counters = server.counters
    report.record("counters", **counters.as_dict())
    report.say(repr(counters))


def print_achieved(server: "Server | Relay", report: Report) -> None:
    """Print what was asked of the link, and what it did."""
    for done in server.report():
        report.record("achieved", **done._asdict())
        asked = "" if done.asked is None else f"{done.asked:.3%} asked, "
        share = "none came to it"
        if done.share is not None:
            share = (
                f"{done.hits:,} of {done.of:,} ({done.share:.3%}, 95 %: {done.low:.3%} to {done.high:.3%})"
            )
        report.say(f"{done.direction} {done.effect}: {asked}{share}")
