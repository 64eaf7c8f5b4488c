"""What the parts of the bench share: children that are pinned and bounded, their CPU time, figures, tables.

A figure belongs to a round. Subjects take turns within a round, and a ratio is taken between figures of the
same round, so that what the machine does to one it does to the other; only then comes a median. CPU time is
that of the whole process, by the scheduler's own count (`CLOCK_PROCESS_CPUTIME_ID` of the child).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

HERE = Path(__file__).parent
ROOT = HERE.parent
BARE = str(ROOT / "target/bare/release/bare")
SCHEMA = 1
LIMIT = 60.0  # seconds that anything here may take

AT_REST_NS = 20_000  # CPU in 10 ms of a server that has nothing to do, at most

CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = {CORES[-1]}, {CORES[0]}  # the same one on a machine that has only one


class BenchError(Exception):
    """The bench cannot go on: something did not start, or did not end."""


@contextlib.contextmanager
def pinned(cores: set[int]) -> Generator[None]:
    """Children that are started here, and all their threads, keep to these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Server:
    """A child that prints its port, serves, and ends when its stdin does (or is ended: seeds do not look)."""

    def __init__(self, *command: str, cores: set[int] = SERVER, port: int | None = None) -> None:
        with pinned(cores):
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        self.pid = self._child.pid
        self._name = " ".join(command)
        self._port = port

    def __enter__(self) -> Self:
        if self._port is None:
            assert self._child.stdout is not None
            line = self._child.stdout.readline().strip()
            if not line.isdecimal():
                self._end()
                raise BenchError(f"{self._name} did not tell its port but {line!r}")
            self.port = int(line)
        else:  # it is told its port, and cannot tell when it is there
            self.port = self._port
            wait_until(lambda: bool(self.sockets()), f"{self._name} to open its port")
        self.to = f"to=127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.communicate()

    def told(self) -> dict[str, Any]:
        """Let it end and give the JSON that it says then."""
        output, errors = self._child.communicate(timeout=LIMIT)
        try:
            said: dict[str, Any] = json.loads(output)
        except ValueError:
            raise BenchError(f"{self._name} said {output!r} {errors}") from None
        return said

    def cpu_ns(self) -> int:
        """Nanoseconds of CPU of all its threads so far."""
        return time.clock_gettime_ns((~self.pid << 3) | 2)  # as clock_getcpuclockid(3) makes it

    def settled_cpu_ns(self) -> int:
        """Give the same, once it has come to rest."""
        last = -1
        while (now := self.cpu_ns()) - last > AT_REST_NS:
            last = now
            time.sleep(0.01)
        return now

    def sockets(self) -> list[list[str]]:
        """Give what /proc/net/udp says of each of its sockets: every worker has its own."""
        lines = Path("/proc/net/udp").read_text(encoding="ascii").splitlines()[1:]
        return [words for words in map(str.split, lines) if words[1].endswith(f":{self.port:04X}")]

    def drops(self) -> int:
        """Datagrams that the kernel threw away before it took them."""
        return sum(int(words[12]) for words in self.sockets())

    def queued_bytes(self) -> int:
        """Bytes that wait for it."""
        return sum(int(words[4].partition(":")[2], 16) for words in self.sockets())

    def resident_bytes(self) -> int:
        """Bytes of memory that it has."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def ask(*command: str, cores: set[int] = CLIENT, text: str = "") -> dict[str, Any]:
    """Run a child to its end and give the JSON that it prints."""
    return dict(json.loads(run(*command, cores=cores, text=text)))


def run(*command: str, cores: set[int] = CLIENT, text: str = "") -> str:
    """Run a child to its end, with `text` on its stdin, and give what it prints."""
    with pinned(cores):
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            raise BenchError(f"{' '.join(command)} takes more than {LIMIT:.0f} s") from None
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} exited with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def subject(role: str, **options: object) -> list[str]:
    """Give the command that starts udpping in a process of its own."""
    return [sys.executable, str(HERE / "subject.py"), role, json.dumps(options)]


def bare(role: str, **options: object) -> list[str]:
    """Give the command that starts a role of the bare program."""
    return [BARE, role, *(f"{name}={value}" for name, value in options.items())]


@contextlib.contextmanager
def busy(each: int) -> Generator[None]:
    """Keep every core busy with so many processes."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        for core in CORES:
            with pinned({core}):
                children += [
                    subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(each)
                ]
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds."""
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"waited {LIMIT:.0f} s for {what}")
        time.sleep(0.002)


def quantile(values: list[int], share: float) -> float:
    """Give the quantile as numpy does by default."""
    ordered, place = sorted(values), share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


@dataclass(frozen=True)
class Figure:
    """One measurement."""

    part: str
    metric: str
    unit: str
    case: str
    subject: str
    round: int
    value: float


@dataclass
class Report:
    """What was measured, whether it was correct, and what it says about the goals."""

    rounds: int
    smoke: bool
    figures: list[Figure] = field(default_factory=list[Figure])
    goals: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    faults: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    checks: int = 0

    def size(self, full: int, smoke: int) -> int:
        """How many of something to do."""
        return smoke if self.smoke else full

    def turns(self, subjects: list[str]) -> Iterator[tuple[int, str]]:
        """Give every subject in every round, each other round backwards."""
        for number in range(self.rounds):
            for name in subjects if number % 2 == 0 else subjects[::-1]:
                yield number, name

    def add(self, figure: Figure) -> None:
        """Note a figure."""
        self.figures.append(figure)

    def check(self, holds: bool, what: str) -> None:  # noqa: FBT001 - a condition is a condition
        """Note what must be so, whatever the speed."""
        self.checks += 1
        if not holds:
            self.faults.append(what)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)
            print(f"NB: {text}", file=sys.stderr, flush=True)

    def values(self, metric: str, case: str, name: str) -> dict[int, float]:
        """Give what a subject came to in each round."""
        wanted = (metric, case, name)
        return {f.round: f.value for f in self.figures if (f.metric, f.case, f.subject) == wanted}

    def ratios(self, metric: str, case: str, name: str, baseline: str) -> list[float]:
        """Give the ratio of each round that has both."""
        ours, theirs = self.values(metric, case, name), self.values(metric, case, baseline)
        return [value / theirs[number] for number, value in ours.items() if theirs.get(number)]

    def aim(self, metric: str, case: str, name: str, baseline: str, most: float) -> None:
        """Hold the median ratio to a baseline against the most that it shall be."""
        ratios = self.ratios(metric, case, name, baseline)
        text = f"{metric}, {case}: {name} at most {most:.3g} x {baseline}"
        if not ratios:
            self.told(text, None, "not measured")
        else:
            self.told(text, statistics.median(ratios) <= most, f"{spread(ratios)} x")

    def told(self, text: str, holds: bool | None, value: str) -> None:  # noqa: FBT001 - the verdict
        """Note a goal and what came of it."""
        self.goals.append((text, {True: "yes", False: "no", None: "-"}[holds], value))


def number(value: float) -> str:
    """Write three digits that count."""
    if value == 0 or abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values: list[float]) -> str:
    """Write a median with the least and the most."""
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


def markdown(report: Report, baselines: dict[str, list[str]]) -> Iterator[str]:
    """Yield a table for each metric: a row for each subject of each case, in the order of measuring."""
    metrics = dict.fromkeys((f.part, f.metric, f.unit) for f in report.figures)
    for part, metric, unit in metrics:
        rows = dict.fromkeys(
            (f.case, f.subject) for f in report.figures if (f.part, f.metric) == (part, metric)
        )
        there = {name for _, name in rows}
        against = [] if unit.startswith("%") else [name for name in baselines[part] if name in there]
        yield f"\n**{part}: {metric}** ({unit})\n"
        yield " | ".join(
            ["| case | subject | median (least to most)", *(f"x {name}" for name in against), ""]
        ).rstrip()
        yield "|---|---|" + "---:|" * (1 + len(against))
        for case, name in rows:
            cells = [case, name, spread(list(report.values(metric, case, name).values()))]
            for other in against:
                ratios = [] if other == name else report.ratios(metric, case, name, other)
                cells.append(spread(ratios) if ratios else "")
            yield f"| {' | '.join(cells)} |"
    if report.goals:
        yield "\n**Goals**\n\n| goal | met | measured |\n|---|---|---:|"
        yield from (f"| {text} | {met} | {value} |" for text, met, value in report.goals)


def ndjson(report: Report, machine: dict[str, object]) -> Iterator[str]:
    """Yield one object a line: the machine, every figure, every goal, every fault."""
    yield json.dumps({"schema": SCHEMA, "type": "machine", **machine})
    for figure in report.figures:
        yield json.dumps({"schema": SCHEMA, "type": "figure", **asdict(figure)})
    for text, met, value in report.goals:
        yield json.dumps({"schema": SCHEMA, "type": "goal", "goal": text, "met": met, "measured": value})
    for text in report.faults:
        yield json.dumps({"schema": SCHEMA, "type": "fault", "fault": text})


def tool(name: str, report: Report) -> str | None:
    """Find a program that others made; a bench without it says so."""
    if (path := shutil.which(name)) is None:
        report.note(f"{name} is not installed (Debian: apt-get install {name}), so it is not compared with")
    return path
