"""Round trips: back to back on one core and on two, on a schedule, on a busy machine, to many targets."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import udpping
from harness import (
    CLIENT,
    CORES,
    HERE,
    SERVER,
    Figure,
    Report,
    Server,
    ask,
    bare,
    busy,
    quantile,
    run,
    subject,
    tool,
)
from others import irtt, sockperf_server

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "ping"
BASELINES = ["bare", "seed"]
P50, P99 = "round trip, p50", "round trip, p99"
CROWD = "sends in the fullest 10 ms"
MANY = "10,000 pings/s"
US = 1e3


@dataclass(frozen=True)
class Case:
    """Where the client runs, and how long it pauses (0: not at all); the server is on the last core."""

    name: str
    cores: frozenset[int]
    interval: float = 0.0


ONE = Case("one core, back to back", frozenset(SERVER))
TWO = Case("two cores, back to back", frozenset(CLIENT))
CALM = Case("every 1 ms", frozenset(CLIENT), 0.001)
BUSY = Case("every 1 ms, 4 busy processes on each core", frozenset(CLIENT), 0.001)


def measure(report: Report) -> None:
    """Each case with the clients that can do it, all against the bare echo (sockperf and irtt: their own)."""
    names = ["bare", "udpping", "seed"]
    own = ["sockperf"] if tool("sockperf", report) else []
    spinning = ["bare, spinning"]
    if "busy" in inspect.signature(udpping.ping).parameters:
        spinning.append("udpping, busy")
    else:
        report.note("ping(busy=) is not in this version")
    compare(report, ONE, [*names, "bare, stamped", *own])
    if len(CORES) > 1:
        compare(report, TWO, names + own + spinning)
    else:
        report.note("this machine has one core, so nothing is measured across two")
    compare(report, CALM, names + (["irtt"] if tool("irtt", report) else []))
    with busy(0 if report.smoke else 4):
        compare(report, BUSY, names)
    many(report)
    goals(report)


def compare(report: Report, case: Case, names: list[str]) -> None:
    """Let the clients take turns."""
    for turn, name in report.turns(names):
        for who, times in round_trips(report, case, name):
            report.add(Figure(NAME, P50, "us", case.name, who, turn, quantile(times, 0.5) / US))
            report.add(Figure(NAME, P99, "us", case.name, who, turn, quantile(times, 0.99) / US))


def round_trips(report: Report, case: Case, name: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the round trips in ns that a client measured; ours may have measured in two ways."""
    count = report.size(1_000, 100) if case.interval else report.size(5_000, 200)
    if name == "sockperf":
        yield from sockperf_round_trips(report, case)
        return
    if name == "irtt":
        trips = irtt(case.interval, count * case.interval, set(case.cores))["round_trips"]
        yield name, [trip["delay"]["rtt"] for trip in trips if trip["lost"] == "false"]
        return
    with Server(*bare("echo")) as server:
        seen = ask(*client(name, server.port, count, case.interval), cores=set(case.cores))
        told = server.told()
    times = [time for time in seen["rtt_ns"] if time is not None]
    lost = seen["summary"]["lost"] if "summary" in seen else seen["lost"]
    report.check(
        len(times) == count and lost == 0 and told["answered"] >= count,
        f"ping, {case.name}, {name}: {len(times)} of {count} came back, {lost} lost, the server says {told}",
    )
    if not name.startswith("udpping"):
        yield name, times
        return
    check_rows(report, f"ping, {case.name}, {name}", seen, count)
    if "kernel" in str(set(seen["stamp"])):
        yield name, times
        yield f"{name}, user", [time for time in seen["user_rtt_ns"] if time is not None]
    else:
        report.note("time stamps of the kernel are not in this version: round trips are those of the program")
        yield f"{name}, user", times


def client(name: str, port: int, count: int, interval: float) -> list[str]:
    """Give the command of a client."""
    to = f"127.0.0.1:{port}"
    pause = interval or None
    match name:
        case "bare":
            return bare("ping", to=to, count=count, interval_ns=round(interval * 1e9))
        case "bare, stamped":
            return bare("stamped", to=to, count=count)
        case "bare, spinning":
            return bare("ping", to=to, count=count, spin=1)
        case "seed":
            return [sys.executable, str(HERE / "seeds.py"), "ping", str(port), str(count), str(interval)]
        case "udpping, busy":
            return subject("ping", host="127.0.0.1", port=port, count=count, interval=pause, busy=True)
        case _:
            return subject("ping", host="127.0.0.1", port=port, count=count, interval=pause)


def check_rows(report: Report, what: str, seen: dict[str, Any], count: int) -> None:
    """Every ping has its row, its reply, and a round trip that can be."""
    report.check(seen["status"] == ["reply"] * count, f"{what}: not every ping has its reply")
    report.check(all(time > 0 for time in seen["rtt_ns"] if time is not None), f"{what}: a time of 0 or less")


def sockperf_round_trips(report: Report, case: Case) -> Iterator[tuple[str, list[int]]]:
    """Yield as many as give the quantiles that sockperf prints."""
    with sockperf_server() as server:
        where = ("-i", "127.0.0.1", "-p", str(server.port))
        told = run(
            "sockperf", "ping-pong", *where, "-t", "1", "-m", "32", "--full-rtt", cores=set(case.cores)
        )
    found = {share: float(us) for share, us in re.findall(r"percentile (\d+\.\d+) = +([\d.]+)", told)}
    report.check(
        "50.000" in found and "# dropped messages = 0;" in told, f"ping, {case.name}, sockperf: {told}"
    )
    if found:
        middle, high = round(found["50.000"] * US), round(found["99.000"] * US)
        yield "sockperf", [middle] * 98 + [high] * 3  # whose p50 and p99 these are


def many(report: Report) -> None:
    """10,000 targets once a second each, beside one target at the rate of all together."""
    count, each = report.size(10_000, 500), report.size(2, 1)
    names = [f"udpping, {count:,} targets", "udpping, 1 target"]
    targets = [(f"127.1.{index >> 8}.{index & 255}", 0) for index in range(1, count + 1)]
    for turn, name in report.turns(names):
        with Server(*subject("server", host="0.0.0.0"), cores=SERVER) as server:  # noqa: S104 - for all of 127/8
            if name == names[0]:
                everyone = [(host, server.port) for host, _ in targets]
                command = subject("ping", targets=everyone, count=each, interval=1.0)
            else:
                rate = report.size(10_000, 500)
                command = subject(
                    "ping", host="127.0.0.1", port=server.port, count=count * each, interval=1 / rate
                )
            # The kernel does not take 10,000 addresses on a command line: they go through stdin.
            seen = ask(*command[:-1], "-", cores=CLIENT, text=command[-1])
            told = server.told()
        times = [time for time in seen["rtt_ns"] if time is not None]
        lost = seen["summary"]["sent"] - len(times)
        report.check(
            len(seen["rtt_ns"]) == count * each
            and told["received"] + (told["kernel_drops"] or 0) == count * each,
            f"ping, {MANY}, {name}: {len(seen['rtt_ns'])} rows, {lost} lost, the server says {told}",
        )
        report.add(Figure(NAME, P50, "us", MANY, name, turn, quantile(times, 0.5) / US))
        report.add(Figure(NAME, P99, "us", MANY, name, turn, quantile(times, 0.99) / US))
        report.add(Figure(NAME, CROWD, "sends", MANY, name, turn, fullest(seen["sent_ns"])))


def fullest(sent_ns: list[int]) -> float:
    """Give the most sends that fall into the same 10 ms."""
    counts: dict[int, int] = {}
    for moment in sent_ns:
        slot = moment // 10_000_000
        counts[slot] = counts.get(slot, 0) + 1
    return max(counts.values())


def goals(report: Report) -> None:
    """Hold the figures against what was aimed at."""
    for case in (ONE.name, TWO.name):
        report.aim(P50, case, "udpping", "seed", 0.6)
        report.aim(P50, case, "udpping", "sockperf", 0.7)
    report.aim(P50, ONE.name, "udpping, user", "seed", 0.75)
    report.aim(P99, BUSY.name, "udpping", "seed", 0.6)
    report.aim(P50, TWO.name, "udpping, busy, user", "bare, spinning", 1.15)
    report.aim(P50, MANY, "udpping, 10,000 targets", "udpping, 1 target", 1.3)
