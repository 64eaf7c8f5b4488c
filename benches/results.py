"""Results: a run that grows at 10,000 rows a second and holds up no send, and one of very many rows."""

from __future__ import annotations

from harness import CLIENT, Figure, Report, Server, ask, bare, subject

NAME = "results"
BASELINES = ["bare, spinning"]
STALLS = "sends more than 1 ms late"
WORST = "latest send"
CPU = "CPU per row"
MEMORY = "memory per row"
LATE_NS = 1_000_000
GROWTH = "10,000 rows/s"


def measure(report: Report) -> None:
    """Grow, and then be used."""
    growth(report)
    table(report)


def growth(report: Report) -> None:
    """Ping at 10 kHz, beside the loop that keeps nothing."""
    count = report.size(30_000, 2_000)
    for number, name in report.turns(["bare, spinning", "udpping"]):
        with Server(*bare("echo")) as server:
            if name == "udpping":
                seen = ask(
                    *subject("ping", host="127.0.0.1", port=server.port, count=count, interval=1e-4),
                    cores=CLIENT,
                )
                late = [sent - due for sent, due in zip(seen["sent_ns"], seen["due_ns"], strict=True)]
            else:
                late = ask(*bare("pace", to=f"127.0.0.1:{server.port}", count=count, interval_ns=100_000))[
                    "late_ns"
                ]
        report.check(len(late) == count, f"results, {GROWTH}, {name}: {len(late)} of {count} rows")
        stalls = 1e4 * sum(each > LATE_NS for each in late) / count
        report.add(Figure(NAME, STALLS, "of 10,000", GROWTH, name, number, stalls))
        report.add(Figure(NAME, WORST, "ms", GROWTH, name, number, max(late) / 1e6))


def table(report: Report) -> None:
    """Make a long run in virtual time, and ask it what one asks."""
    count = report.size(2_000_000, 20_000)
    for number, name in report.turns(["udpping"]):
        told = ask(*subject("results", count=count))
        case = f"{count:,} rows"
        report.check(
            told["rows"] == count
            and told["received"] + told["nulls"] == count
            and told["written"] == [count, count],
            f"results, {case}: {told}",
        )
        for step, seconds in told["seconds"].items():
            report.add(Figure(NAME, CPU, "ns", f"{case}, {step}", name, number, 1e9 * seconds / count))
        report.add(Figure(NAME, MEMORY, "bytes", case, name, number, told["grown_bytes"] / count))
