"""Pacing: how late the sends of a schedule leave, beside a loop that spins on the clock, at what price."""

from __future__ import annotations

import sys
from typing import Any

from harness import CLIENT, HERE, Figure, Report, Server, ask, bare, quantile, subject, tool, wait_until
from others import irtt

NAME = "pace"
BASELINES = ["bare, spinning"]
P50, P99, WORST = "send error, p50", "send error, p99", "send error, worst"
MISSED = "missed slots"
CPU = "CPU of the client"
CASES = {"every 1 ms": 1_000_000, "every 100 us": 100_000}
US = 1e3
EARLY_NS = 20_000


def measure(report: Report) -> None:
    """Let the clients take turns at each interval."""
    names = ["bare, spinning", "udpping", "seed"] + (["irtt"] if tool("irtt", report) else [])
    for case, interval_ns in CASES.items():
        count = report.size(2_000_000_000, 100_000_000) // interval_ns
        for number, name in report.turns(names):
            late, cpu = lateness(report, case, name, count, interval_ns)
            missed = 1 - sum(each < interval_ns for each in late) / count
            report.add(Figure(NAME, P50, "us", case, name, number, quantile(late, 0.5) / US))
            report.add(Figure(NAME, P99, "us", case, name, number, quantile(late, 0.99) / US))
            report.add(Figure(NAME, WORST, "us", case, name, number, max(late) / US))
            report.add(Figure(NAME, MISSED, "%", case, name, number, 100 * missed))
            if cpu is not None:
                report.add(Figure(NAME, CPU, "% of a core", case, name, number, 100 * cpu))
    goals(report)


def lateness(
    report: Report, case: str, name: str, count: int, interval_ns: int
) -> tuple[list[int], float | None]:
    """Give how late each send was, in ns, and the share of a core that the client took, if known."""
    if name == "irtt":
        return irtt_lateness(count, interval_ns), None
    with Server(*bare("echo")) as server:
        to, interval = f"127.0.0.1:{server.port}", interval_ns / 1e9
        match name:
            case "udpping":
                command = subject("ping", host="127.0.0.1", port=server.port, count=count, interval=interval)
            case "seed":
                command = [
                    sys.executable,
                    str(HERE / "seeds.py"),
                    "ping",
                    str(server.port),
                    str(count),
                    str(interval),
                ]
            case _:
                command = bare("pace", to=to, count=count, interval_ns=interval_ns)
        seen: dict[str, Any] = ask(*command, cores=CLIENT)
        wait_until(lambda: server.queued_bytes() == 0, "the pings to be taken")
        drops, told = server.drops(), server.told()
    if name == "udpping":
        pairs = zip(seen["sent_ns"], seen["due_ns"], strict=True)
        late, cpu = [sent - due for sent, due in pairs], seen["cpu_ns"] / seen["took_ns"]
        report.check(min(late) >= 0, f"pace, {case}: a ping left {-min(late)} ns before it was due")
        report.check(
            seen["summary"]["sent"] == count, f"pace, {case}: {seen['summary']['sent']} of {count} sent"
        )
    else:
        late, cpu = seen["late_ns"], None if name == "seed" else 1.0
    report.check(
        len(late) == count and told["received"] + drops == count,
        f"pace, {case}, {name}: {len(late)} of {count} sent, {drops} dropped by the kernel, {told}",
    )
    return late, cpu


def irtt_lateness(count: int, interval_ns: int) -> list[int]:
    """Read off when irtt sent; a slot that it left out has no send."""
    trips = irtt(interval_ns / 1e9, count * interval_ns / 1e9, CLIENT)["round_trips"]
    sends = [trip["timestamps"]["client"]["send"]["monotonic"] for trip in trips]
    # The grid begins with the first send; one that was a little late itself makes others early by as much.
    return [(sent - sends[0] + EARLY_NS) % interval_ns - EARLY_NS for sent in sends]


def goals(report: Report) -> None:
    """Hold the figures against what was aimed at, in rounds in which the control was on time."""
    for case, most, limit_us in (("every 1 ms", 0.0, 20.0), ("every 100 us", 1.0, None)):
        control = report.values(MISSED, case, "bare, spinning")
        quiet = [number for number, missed in control.items() if missed == 0]
        ours = report.values(MISSED, case, "udpping")
        missed = [ours[number] for number in quiet]
        text = (
            f"{case}: at most {most:.0f} % of slots missed in rounds in which the spinning loop misses none"
        )
        report.told(
            text,
            max(missed) <= most if quiet else None,
            f"{len(quiet)} rounds, most {max(missed, default=0):.2f} %",
        )
        if limit_us is not None and quiet:
            late = report.values(P99, case, "udpping")
            worst = max(late[number] for number in quiet)
            report.told(
                f"{case}: error p99 at most {limit_us:.0f} us in those",
                worst <= limit_us,
                f"most {worst:.1f} us",
            )
            cpu = max(report.values(CPU, case, "udpping").values())
            report.told(f"{case}: under 15 % of a core", cpu < 15, f"most {cpu:.1f} %")  # noqa: PLR2004
