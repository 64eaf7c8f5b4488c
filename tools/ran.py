"""Every test has run: those that pytest finds are compared with those in its reports of this run.

A test that no report has is lost, by its marks or otherwise. One that was skipped wherever it was to run is
named with the reason, and so is a folder whose programs this machine lacks; in CI they must run.

    python tools/ran.py FOLDER     with reports named 3.13-..., browser... or programs...
"""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

from programs import IN_CI


def found(*, full: bool) -> list[str]:
    """Give the names of all tests, as reports have them: tests.test_ping::test_a_reply[4]."""
    lines: list[str] = []
    more = ["tests/full"] if full else []
    for folder in ("tests", "tests/browser", "tests/programs", *more):  # the first leaves out the others
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        lines += done.stdout.splitlines()
    ids = [line.split("::", 1) for line in lines if "::" in line]
    return [f"{file.removesuffix('.py').replace('/', '.')}::{name}" for file, name in ids]


def compare(tests: list[str], folder: Path) -> int:
    """Compare, and print what has run where."""
    ran: dict[str, set[str]] = defaultdict(set)
    skipped: dict[str, str] = {}
    for report in sorted(folder.glob("*.xml")):
        python = report.stem.partition("-")[0]
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it a minute ago
            # A file that was skipped as a whole has no tests but a name.
            name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
            if (skip := case.find("skipped")) is None:
                ran[name].add(python)
            else:
                skipped[name] = skip.get("message", "") if "::" in name else (skip.text or "")

    for part in ("browser", "programs"):
        if not (folder / f"{part}.xml").exists():
            skipped |= {name: "its check did not run" for name in tests if name.startswith(f"tests.{part}.")}
    idle = [name for name in tests if name not in ran]
    reasons = {name: skipped.get(name, skipped.get(name.partition("::")[0], "")) for name in idle}
    lost = [name for name in idle if name not in skipped and name.partition("::")[0] not in skipped]
    for name in idle:
        print(f"lost: {name}" if name in lost else f"NB: not run: {name}: {reasons[name]}")
    where: dict[str, int] = defaultdict(int)
    for name in tests:
        for python in ran.get(name, ()):
            where[python] += 1
    counts = ", ".join(f"{count:,} on {python}" for python, count in sorted(where.items()))
    print(f"NB: of {len(tests):,} tests {len(tests) - len(idle):,} have run: {counts}")
    return bool(lost or (idle and IN_CI))


if __name__ == "__main__":
    sys.exit(compare(found(full=(Path(sys.argv[1]) / "full.xml").exists()), Path(sys.argv[1])))
