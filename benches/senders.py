"""Senders: very many `Heartbeat`s in one process, one heartbeat a second each, to a monitor that counts them.

The case of those who test a monitor with simulated devices, and of gateways that speak for others.
"""

from __future__ import annotations

from harness import Figure, Report, Server, ask, quantile, subject, wait_until

NAME = "senders"
BASELINES: list[str] = []
CPU = "CPU per heartbeat"
MEMORY = "memory per sender"
STARTING = "until all have sent their first"
STOPPING = "until all have said goodbye"
GOAL_CORES, GOAL_SECONDS = 0.5, 10.0
MOST_THREADS = 32


def measure(report: Report) -> None:
    """Start them, let them beat, stop them; what has left must have come."""
    count, seconds = report.size(10_000, 200), report.size(10, 1)
    case = f"{count:,} senders"
    for number, name in report.turns(["udpping"]):
        with Server(*subject("monitor", max_clients=2 * count, per_prefix=2 * count)) as server:
            did = ask(*subject("senders", port=server.port, count=count, seconds=seconds))
            wait_until(lambda: server.queued_bytes() == 0, "the heartbeats to be taken")
            drops, told = server.drops(), server.told()
        what = f"senders, {case}: {did}, {drops} dropped by the kernel, {told}"
        report.check(told["received"] + drops == did["sent"] and did["failed"] == 0, what)
        report.check(told["clients"] == count and told["stale"] == told["unreadable"] == 0, what)
        report.check(did["threads"] <= MOST_THREADS, what)
        report.add(Figure(NAME, CPU, "us", case, name, number, did["cpu_ns"] / 1e3))
        report.add(Figure(NAME, MEMORY, "bytes", case, name, number, did["bytes"]))
        report.add(Figure(NAME, STARTING, "s", case, name, number, did["starting_ns"] / 1e9))
        report.add(Figure(NAME, STOPPING, "s", case, name, number, did["stopping_ns"] / 1e9))
        report.add(Figure(NAME, "times missed", "heartbeats", case, name, number, did["skipped"]))
        with Server(*subject("ear", buffer=8 << 20)) as server:
            did = ask(*subject("senders", port=server.port, count=count, seconds=seconds))
            wait_until(lambda: server.queued_bytes() == 0, "the heartbeats to be taken")
            drops, told = server.drops(), server.told()
        report.check(told["received"] + drops == did["sent"], f"senders, {case}: {did}, {drops} dropped")
        for share in (0.5, 0.99):
            late = quantile(told["late_ns"], share) / 1e3
            report.add(Figure(NAME, f"later than due, {share:.0%} at most", "us", case, name, number, late))
    for metric, most, unit in (
        (CPU, GOAL_CORES * 1e6 / count, "us"),
        (STARTING, GOAL_SECONDS, "s"),
        (STOPPING, GOAL_SECONDS, "s"),
    ):
        worst = max(report.values(metric, case, "udpping").values())
        report.told(f"{metric}, {case}: at most {most:.3g} {unit}", worst <= most, f"most {worst:.3g} {unit}")
