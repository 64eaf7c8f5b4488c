"""Echo: what a reply costs the server in CPU, and what is lost at a given rate."""

from __future__ import annotations

import inspect
import sys
import tempfile
from functools import partial
from typing import TYPE_CHECKING, Any

from harness import CORES, ROOT, SERVER, Report, Server, ask, bare, subject, tool

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "echo"
BASELINES = ["bare", "seed"]
CPU = "server CPU per reply"
LOST = "lost of what was offered"
WORKERS = min(2, len(CORES))

LOSSES = {"loss 0": 0, "loss 4/11": 4}  # lost of eleven
PATTERNS: dict[str, dict[str, object]] = {
    "64 clients": {"flows": 64},
    "one client's bursts": {"flows": 1},
    "GSO client": {"flows": 1, "gso": 1},
}
RATES: dict[str, dict[str, object]] = {
    "20,000/s": {"rate": 20_000, "burst": 1, "flows": 64},
    "100,000/s": {"rate": 100_000, "burst": 1, "flows": 64},
    "100,000/s in trains of 64": {"rate": 100_000, "burst": 64, "flows": 1},
}


def servers(report: Report, lose: int) -> dict[str, Callable[[], Server]]:
    """Give what starts each server that loses so many of eleven."""
    import udpping

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
    if lose == 0 and (sockperf := tool("sockperf", report)):
        found["sockperf"] = lambda: sockperf_server(sockperf)
    return found


def sockperf_server(sockperf: str) -> Server:
    """Start sockperf's server, which takes no port 0: on one that was free a moment ago."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Server(sockperf, "server", "-i", "127.0.0.1", "-p", str(port), port=port)


def measure(report: Report) -> None:
    """Closed loops, then open ones."""
    count = report.size(60_000, 3_000)
    for loss, lose in LOSSES.items():
        ways = servers(report, lose)
        for pattern, load in PATTERNS.items():
            case = f"{pattern}, {loss}"
            # What workers and a log cost is asked once; and workers need several clients.
            extra = pattern == "64 clients" and (lose == 0 or report.smoke)
            names = [name for name in ways if extra or "," not in name]
            for number, name in report.turns(names):
                cpu_us, _ = one(report, ways[name], name, case, count, {**load, "lose": lose})
                report.add(NAME, CPU, "us", case, name, number, cpu_us)
    ways = servers(report, 0)
    names = ["bare", "udpping", "seed"]
    for case, load in RATES.items():
        for number, name in report.turns(names):
            cpu_us, lost = one(report, ways[name], name, case, report.size(20_000, 2_000), dict(load))
            report.add(NAME, CPU, "us", case, name, number, cpu_us)
            report.add(NAME, LOST, "%", case, name, number, 100 * lost)
    goals(report)


def one(
    report: Report, start: Callable[[], Server], name: str, case: str, count: int, load: dict[str, Any]
) -> tuple[float, float]:
    """Load a fresh server; give its CPU in us for each reply and the share that was lost against its will."""
    lose = int(load.pop("lose", 0))
    load["reply"] = "same" if name == "sockperf" else "upper"
    with start() as server:
        ask(*bare("load", to=f"127.0.0.1:{server.port}", **load | {"count": 1_000, "rate": 0, "burst": 32}))
        drops, before = server.drops(), server.settled_cpu_ns()
        seen = ask(*bare("load", to=f"127.0.0.1:{server.port}", count=count, **load))
        spent, drops = server.settled_cpu_ns() - before, server.drops() - drops
        told = server.told() if name != "sockperf" and name != "seed" else None
    what = f"echo, {case}, {name}: {seen}, {drops} dropped by the kernel, {told}"
    report.check(seen["sent"] == count and seen["wrong"] == 0 and seen["duplicates"] == 0, what)
    report.check(seen["replies"] > 0, what)
    if lose == 0:
        report.check(seen["replies"] + drops == count, what)
    else:
        expected = count * (11 - lose) / 11
        report.check(abs(seen["replies"] + drops - expected) < max(0.05 * count, drops), what)
    if told is not None:
        report.check(
            told["received"] == told["answered"] + told.get("dropped", told["received"] - told["answered"]),
            what,
        )
    return spent / seen["replies"] / 1e3, drops / count


def goals(report: Report) -> None:
    """Hold the figures against what was aimed at."""
    for loss in LOSSES:
        report.aim(CPU, f"64 clients, {loss}", "udpping", "bare", 1.1)
        report.aim(CPU, f"one client's bursts, {loss}", "udpping", "bare", 0.8)
        report.aim(CPU, f"64 clients, {loss}", "udpping", "seed", 1 / 1.45)
        report.aim(CPU, f"one client's bursts, {loss}", "udpping", "seed", 1 / 1.8)
        report.aim(CPU, f"GSO client, {loss}", "udpping", "seed", 1 / (30 if loss == "loss 0" else 7))
    report.aim(CPU, "64 clients, loss 0", "udpping, record", "udpping", 1.2)
    for case in RATES:
        bare_lost, ours = report.values(LOST, case, "bare"), report.values(LOST, case, "udpping")
        clean = [ours[number] for number, lost in bare_lost.items() if lost == 0]
        text = f"nothing lost at {case} where bare loses nothing"
        report.told(
            text,
            not any(clean) if clean else None,
            f"{len(clean)} rounds, most lost {max(clean, default=0):.2f} %",
        )
