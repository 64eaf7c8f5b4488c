"""Echo: what a reply costs the server in CPU, and what is lost at a given rate."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import udpping
from harness import CORES, ROOT, Figure, Report, Server, ask, bare, subject, tool, wait_until
from others import sockperf_server

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "echo"
BASELINES = ["bare", "seed"]
GSO = "udpping, gso"
CPU = "server CPU per reply"
LOST = "lost of what was offered"
WORKERS = min(2, len(CORES))


@dataclass(frozen=True)
class Case:
    """A load, in the words of the bare program, for servers that lose so many of eleven on purpose."""

    name: str
    lose: int
    load: dict[str, object]


PATTERNS: dict[str, dict[str, object]] = {
    "64 clients": {"flows": 64},
    "one client's bursts": {"flows": 1},
    "GSO client": {"flows": 1, "gso": 1},
}
CLOSED = [
    Case(f"{pattern}, {loss}", lose, load)
    for loss, lose in (("loss 0", 0), ("loss 4/11", 4))
    for pattern, load in PATTERNS.items()
]
OPEN = [
    Case("20,000/s", 0, {"rate": 20_000, "burst": 1, "flows": 64}),
    Case("100,000/s", 0, {"rate": 100_000, "burst": 1, "flows": 64}),
    Case("100,000/s in trains of 64", 0, {"rate": 100_000, "burst": 64, "flows": 1}),
]
WARM_UP = 1_000


def servers(report: Report, lose: int) -> dict[str, Callable[[], Server]]:
    """Give what starts each server that loses so many of eleven."""
    ours = partial(subject, "server", loss=f"{lose}/11" if lose else 0)
    seed = [sys.executable, str(ROOT / "tests/peers/course_server.py"), "127.0.0.1", "42", str(lose)]
    found: dict[str, Callable[[], Server]] = {
        "bare": lambda: Server(*bare("echo", lose=lose)),
        "udpping": lambda: Server(*ours()),
        "seed": lambda: Server(*seed),
        "udpping, record": lambda: Server(*ours(record=True)),
    }
    if "workers" not in inspect.signature(udpping.Server).parameters:
        report.note("Server(workers=) is not in this version")
    elif WORKERS > 1:
        found[f"udpping, {WORKERS} workers"] = lambda: Server(*ours(workers=WORKERS), cores=set(CORES))
    if "gso" in inspect.signature(udpping.Server).parameters:
        found[GSO] = lambda: Server(*ours(gso=True))
    else:
        report.note("Server(gso=) is not in this version")
    if lose == 0 and tool("sockperf", report):
        found["sockperf"] = sockperf_server
    return found


def measure(report: Report) -> None:
    """Run closed loops, then open ones."""
    for case in CLOSED:
        ways = servers(report, case.lose)
        # A log and workers are measured once, with several clients. Only replies to one client are joined.
        one_client = case.load["flows"] == 1
        special = {GSO} if one_client else set(ways) - {GSO} if case == CLOSED[0] else set[str]()
        for turn, name in report.turns([name for name in ways if "," not in name or name in special]):
            cpu_us, _ = one(report, ways[name], name, case, report.size(60_000, 3_000))
            report.add(Figure(NAME, CPU, "us", case.name, name, turn, cpu_us))
    ways = servers(report, 0)
    for case in OPEN:
        names = ["bare", "udpping", "seed", *([GSO] if case.load["flows"] == 1 and GSO in ways else [])]
        for turn, name in report.turns(names):
            cpu_us, lost = one(report, ways[name], name, case, report.size(20_000, 2_000))
            report.add(Figure(NAME, CPU, "us", case.name, name, turn, cpu_us))
            report.add(Figure(NAME, LOST, "%", case.name, name, turn, 100 * lost))
    goals(report)


def one(
    report: Report, start: Callable[[], Server], name: str, case: Case, count: int
) -> tuple[float, float]:
    """Load a fresh server; give its CPU in us for each reply, and the share that it lost against its will."""
    with start() as server:
        load = case.load | {
            "to": f"127.0.0.1:{server.port}",
            "reply": "same" if name == "sockperf" else "upper",
        }
        first = ask(*bare("load", **load | {"count": WARM_UP, "rate": 0, "burst": 32}))
        drops, before = server.drops(), server.settled_cpu_ns()
        seen = ask(*bare("load", **load, count=count))
        wait_until(lambda: server.queued_bytes() == 0, "the requests to be taken")
        spent, dropped = server.settled_cpu_ns() - before, server.drops() - drops
        told = server.told() if name not in {"seed", "sockperf"} else None

    what = f"echo, {case.name}, {name}: {seen}, {dropped} dropped by the kernel, {told}"
    report.check(seen["sent"] == count and seen["replies"] > 0, what)
    report.check(seen["wrong"] == 0 and seen["duplicates"] == 0, what)
    if told is not None:
        report.check(told["received"] + drops + dropped == WARM_UP + count, what)
        report.check(told["answered"] == first["replies"] + seen["replies"], what)
    expected = (count - dropped) * (11 - case.lose) / 11
    report.check(abs(seen["replies"] - expected) <= (0.05 * count if case.lose else 0), what)
    return spent / seen["replies"] / 1e3, dropped / count


def goals(report: Report) -> None:
    """Hold the figures against what was aimed at."""
    for loss in ("loss 0", "loss 4/11"):
        report.aim(CPU, f"64 clients, {loss}", "udpping", "bare", 1.1)
        report.aim(CPU, f"one client's bursts, {loss}", "udpping", "bare", 1.1)
        report.aim(CPU, f"one client's bursts, {loss}", GSO, "bare", 0.8)
        report.aim(CPU, f"64 clients, {loss}", "udpping", "seed", 1 / 1.45)
        report.aim(CPU, f"one client's bursts, {loss}", "udpping", "seed", 1 / 1.45)
        report.aim(CPU, f"one client's bursts, {loss}", GSO, "seed", 1 / 1.8)
        report.aim(CPU, f"GSO client, {loss}", GSO, "seed", 1 / (30 if loss == "loss 0" else 7))
    report.aim(CPU, "64 clients, loss 0", "udpping, record", "udpping", 1.2)
    for case in (case.name for case in OPEN):
        bare_lost, ours = report.values(LOST, case, "bare"), report.values(LOST, case, "udpping")
        clean = [ours[number] for number, lost in bare_lost.items() if lost == 0]
        text = f"nothing lost at {case} where bare loses nothing"
        report.told(
            text,
            not any(clean) if clean else None,
            f"{len(clean)} rounds, most lost {max(clean, default=0):.2f} %",
        )
