"""Both ends: round trips without the far end's hold, and what a reply with its times costs in CPU."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import (
    CORES,
    HERE,
    ROOT,
    Figure,
    Report,
    Server,
    ask,
    bare,
    busy,
    quantile,
    subject,
    wait_until,
)
from others import free_port
from ping import BUSY, ONE, TWO, Case

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "stamp"
SEED, OWN_SERVER, ECHO = "seed", "seed, its own server", "udpping, echo"
STAMP, TEXT, SUITE = "udpping, STAMP", "udpping, text:times", "stamp-suite"
STAMPED = "udpping, STAMP, send stamps"
BASELINES = [SEED, OWN_SERVER, ECHO, SUITE]
P50, P99 = "path round trip, p50", "path round trip, p99"
CPU = "CPU of the far end per reply"
BURSTS, STEADY = "bursts", "20,000/s"
WARM_UP = 256
COURSE_SERVER = [sys.executable, str(ROOT / "tests/peers/course_server.py"), "127.0.0.1", "42", "0"]


@dataclass(frozen=True)
class End:
    """A far end, and how it is asked."""

    start: Callable[[], Server]
    protocol: str
    words: dict[str, Any]
    replies: str = ""
    """What it calls the count of its replies, if it tells one when it ends."""


def far_ends() -> dict[str, End]:
    """Give those of udpping, by their names."""
    return {
        STAMP: End(lambda: Server(*subject("reflector")), "stamp", {}, "reflected"),
        STAMPED: End(
            lambda: Server(*subject("reflector", send_stamps=True)), "stamp:follow-up", {}, "reflected"
        ),
        TEXT: End(lambda: Server(*subject("server", server_times=True)), "text:times", {}, "answered"),
        ECHO: End(lambda: Server(*subject("server")), "text", {"size": 44}, "answered"),
    }


def measure(report: Report) -> None:
    """Take what the path is said to take in each case, then the CPU of the far ends."""
    ways(report, ONE)
    if len(CORES) > 1:
        ways(report, TWO)
    else:
        report.note("this machine has one core, so nothing is measured across two")
    with busy(0 if report.smoke else 4):
        ways(report, BUSY)
    costs(report)
    goals(report)


def ways(report: Report, case: Case) -> None:
    """Let the clients take turns."""
    for turn, name in report.turns([STAMP, STAMPED, TEXT, SEED, OWN_SERVER]):
        times = (
            of_the_course(report, case, name) if name in {SEED, OWN_SERVER} else of_ours(report, case, name)
        )
        report.add(Figure(NAME, P50, "us", case.name, name, turn, quantile(times, 0.5) / 1e3))
        report.add(Figure(NAME, P99, "us", case.name, name, turn, quantile(times, 0.99) / 1e3))


def pings(report: Report, case: Case) -> int:
    """How many pings a run has."""
    return report.size(1_000, 100) if case.interval else report.size(5_000, 200)


def of_ours(report: Report, case: Case, name: str) -> list[int]:
    """Give the round trips without the hold of the far end."""
    count, end = pings(report, case), far_ends()[name]
    words = {"interval": case.interval or None, "protocol": end.protocol}
    with end.start() as server:
        command = subject("ping", host="127.0.0.1", port=server.port, count=count, **words)
        seen, told = ask(*command, cores=set(case.cores)), server.told()
    both = list(zip(seen["path_rtt_ns"], seen["rtt_ns"], strict=True))
    known = [path for path, _ in both if path is not None]
    what = f"stamp, {case.name}, {name}"
    report.check(
        seen["status"] == ["reply"] * count and told["received"] == told[end.replies] == count,
        f"{what}: {seen['summary']}, the far end says {told}",
    )
    report.check(
        len(known) == count and all(path is None or path <= rtt for path, rtt in both),
        f"{what}: {len(known)} of {count} have a path, or one is longer than its round trip",
    )
    if not all("kernel" in stamp for stamp in seen["stamp"]):
        report.note("not every ping has time stamps of the kernel: what the client waits for is in its path")
    return known


def of_the_course(report: Report, case: Case, name: str) -> list[int]:
    """Give the round trips of the course's client, which knows of no hold."""
    count = pings(report, case)
    with Server(*(bare("echo") if name == SEED else COURSE_SERVER)) as server:
        command = [sys.executable, str(HERE / "seeds.py"), "ping", str(server.port)]
        seen = ask(*command, str(count), str(case.interval), cores=set(case.cores))
    times: list[int] = seen["rtt_ns"]
    report.check(len(times) == count, f"stamp, {case.name}, {name}: {len(times)} of {count} came back")
    return times


def costs(report: Report) -> None:
    """Take the CPU of each far end, in bursts and at a fixed rate."""
    ends = far_ends()
    if suite := stamp_suite(report):
        ends[SUITE] = End(lambda: reflector_of_suite(suite), "stamp", {})
    for turn, name in report.turns([name for name in ends if name != TEXT]):
        report.add(Figure(NAME, CPU, "us", BURSTS, name, turn, in_bursts(report, ends[name], name)))
    for turn, name in report.turns(list(ends)):
        report.add(Figure(NAME, CPU, "us", STEADY, name, turn, at_a_rate(report, ends[name], name)))


def stamp_suite(report: Report) -> str | None:
    """Find the program that STAMP_SUITE names, or that is on PATH."""
    if (path := shutil.which(os.environ.get("STAMP_SUITE", SUITE))) is None:
        report.note("stamp-suite is neither on PATH nor named by STAMP_SUITE, so it is not compared with")
    return path


def reflector_of_suite(path: str) -> Server:
    """Start the reflector of stamp-suite, with numbers of its own as ours has."""
    port = free_port()
    return Server(path, "-i", "-S", "127.0.0.1", "-o", str(port), "--stateful-reflector", port=port)


def in_bursts(report: Report, end: End, name: str) -> float:
    """Load a far end with bursts of 64 packets; give its CPU in us for each reply."""
    count = report.size(60_000, 2_048)
    return loaded(
        report,
        end,
        f"stamp, {BURSTS}, {name}",
        lambda port, many: subject("load", port=port, count=many, protocol=end.protocol),
        count,
    )


def at_a_rate(report: Report, end: End, name: str) -> float:
    """Ping a far end on a schedule; give its CPU in us for each reply."""
    words = {"host": "127.0.0.1", "protocol": end.protocol, "interval": 1 / 20_000, **end.words}
    return loaded(
        report,
        end,
        f"stamp, {STEADY}, {name}",
        lambda port, many: subject("ping", port=port, count=many, **words),
        report.size(20_000, 1_000),
    )


def loaded(
    report: Report, end: End, what: str, command: Callable[[int, int], list[str]], count: int
) -> float:
    """Warm a far end up, load it, and give its CPU in us for each reply."""
    with end.start() as server:
        ask(*command(server.port, WARM_UP))
        drops, before = server.drops(), server.settled_cpu_ns()
        seen = ask(*command(server.port, count))
        wait_until(lambda: server.queued_bytes() == 0, "the packets to be taken")
        spent, dropped = server.settled_cpu_ns() - before, server.drops() - drops
        told = server.told() if end.replies else None
    summary: dict[str, int] = seen["summary"]
    what = f"{what}: {summary}, {dropped} dropped by the kernel, {told}"
    report.check(summary["sent"] == count and summary["received"] > 0 == summary.get("wrong", 0), what)
    if told is not None:
        report.check(told["received"] + drops + dropped == WARM_UP + count, what)
        report.check(told["received"] == told[end.replies] >= summary["received"], what)
    return spent / summary["received"] / 1e3


def goals(report: Report) -> None:
    """Hold the figures against what was aimed at."""
    for name in (STAMP, STAMPED, TEXT):
        report.aim(P50, TWO.name, name, SEED, 0.06)
        report.aim(P50, ONE.name, name, SEED, 0.15)
        report.aim(P99, BUSY.name, name, SEED, 0.01)
    for case in (BURSTS, STEADY):
        report.aim(CPU, case, STAMP, ECHO, 1.1)
        report.aim(CPU, case, STAMPED, ECHO, 1.4)
        for name in (STAMP, STAMPED):
            report.aim(CPU, case, name, SUITE, 1)
