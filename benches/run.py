"""The bench, on loopback: udpping beside the seeds' Python, bare Rust loops, and programs of others.

    python benches/run.py [--rounds N] [--markdown FILE] [--ndjson FILE] [PART ...]
    python benches/run.py --smoke        is everything counted and correct? No time is looked at.

docs/performance.md says how to read what it prints.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import re
import signal
import sys
import time
from pathlib import Path

import echo
import heartbeats
import pace
import ping
import relay
import results
import senders
import stamp
import udpping
from harness import BARE, BenchError, Report, markdown, ndjson

PARTS = {part.NAME: part for part in (echo, relay, ping, pace, heartbeats, senders, results, stamp)}


def machine() -> dict[str, object]:
    """Give where and when this was measured."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"model name\s*: (.*)", info)
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "processor": model[1].strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "udpping": udpping.__version__,
        "load_average": os.getloadavg()[0],
    }


def heading(facts: dict[str, object], report: Report) -> str:
    """Say it in one line."""
    return (
        f"{facts['date']}, {facts['processor']} with {facts['cores']} cores, {facts['kernel']},"
        f" Python {facts['python']}, udpping {facts['udpping']}; {report.rounds} rounds,"
        f" load average {facts['load_average']:.1f} at the start."
    )


def end(_signal: int, _frame: object) -> None:
    """End as on Ctrl-C, so that no child is left behind."""
    raise KeyboardInterrupt


def main() -> int:
    """Measure, print, write; exit with 1 when something was counted wrong."""
    options = read_options()
    signal.signal(signal.SIGTERM, end)
    report = Report(1 if options.smoke else options.rounds, options.smoke)
    facts, began = machine(), time.monotonic()
    try:
        for name in options.parts or PARTS:
            PARTS[name].measure(report)
    except BenchError as error:
        report.faults.append(str(error))
    except KeyboardInterrupt:
        report.faults.append("interrupted")

    tables = "\n".join(markdown(report, {name: part.BASELINES for name, part in PARTS.items()}))
    if not options.smoke:
        print(heading(facts, report), tables, sep="\n")
    write(options.markdown, f"{heading(facts, report)}\n{tables}\n")
    write(options.ndjson, "".join(f"{line}\n" for line in ndjson(report, facts)))
    print(f"\n{report.checks} counts checked, {len(report.faults)} wrong, {time.monotonic() - began:.0f} s")
    print(*report.faults, sep="\n", end="\n" if report.faults else "")
    return bool(report.faults)


def read_options() -> argparse.Namespace:
    """Read the command line, and see that there is what is needed."""
    parser = argparse.ArgumentParser(description="Measure udpping beside others, on loopback.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; by default all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="one small round: counts and correctness only")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file as well")
    parser.add_argument("--ndjson", type=Path, help="write every figure to this file")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least 1")
    if not Path(BARE).exists():
        parser.error(f"{BARE} is missing: `make bench` builds it")
    return options


def write(path: Path | None, text: str) -> None:
    """Write a file, if one was asked for, in a folder that may be new."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
