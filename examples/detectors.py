"""Which failure detector keeps its promise? Fifteen kinds of path, seven detectors, 90 days each.

The sender is well all the time, so whoever suspects it is wrong. Everything happens in virtual time, with the
seeds below, so it takes some minutes and prints the same every time:

    python examples/detectors.py                      the page
    python examples/detectors.py docs/detectors.md    the page, written to a file
    python examples/detectors.py --only "20 %"        its lines on the promises, for one path
"""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

import udpping

SEEDS = (11, 12, 13)
DAYS = 30  # for each seed: 2.6 million heartbeats
DAY = 86_400
DELAY = "exponential:5ms"
OTHERS = ("fixed:3", "fixed:5", "phi:8", "phi:8,pause=3s", "chen:2.1s", "2w-fd:2.1s")
PROMISES = (10, 1)
DETECTORS = (*OTHERS, *(f"calibrated:{promise} per day" for promise in PROMISES))

INTRODUCTION = f"""\
# How often is a failure detector wrong?

`python examples/detectors.py docs/detectors.md` writes this page, and the tests check its numbers.

A healthy sender sends a heartbeat every second, for {DAYS} days with each of the seeds
{", ".join(map(str, SEEDS))}. Each heartbeat takes an exponential time of 5 ms on average. As the sender is
healthy, every suspicion is a false alarm. The constants of the calibrated detector were chosen with other
seeds, on paths of these kinds.

| path | what is lost |
|---|---|
| 1 %, bursts of 5 | losses in runs of 5 on average (Gilbert-Elliott); likewise 5 %, bursts of 3 |
| outages of 4 to 7 | 20 runs a day of 4 to 7 heartbeats, over 0.5 % single losses |
| outages of minutes | 3 runs a day of 60 to 300, over 1 % |
| outages of any length | 30 runs a day, twice as long is 2.3 times as rare (Pareto 1.2), over 0.5 % |
| nightly backup | from 3:00 to 3:30 60 % in bursts of 12, else 0.5 % |
| two regimes | 10 % in bursts of 6 and 0.5 % in turns, each for half a day on average |
| by hour of the day | from 0 to 8 %, as a sine |
| heavy-tailed delays | 1 %; delays are Pareto, with a scale of 5 ms and a shape of 2.2 |
| every tenth | just that |
| 3 of every 25 | three in a row |

## Mistakes per day, and the median time to notice a crash

`phi` is phi accrual (2004), `chen` is NFD-E (2002), and `2w-fd` is 2W-FD (2015), each as published.

The last columns are the oracles: the shortest constant silences that keep the two promises on these very
heartbeats. They are found afterwards, so no detector can know them.
"""
MIDDLE = """
The rates of all detectors except the calibrated ones differ by orders of magnitude from one path to the
next. Their settings (misses, phi, a margin) say little about how often they are wrong. The calibrated ones
have nearly the same rate everywhere. The price is the time that it takes to notice a crash: from 0.89 to 1.05
times that of the oracle.

`chen` and `2w-fd` learn delays, and not losses. So they differ only where delays change at once, and no path
here has that.

`phi:8` does not learn from an interval that ended after its deadline, so that an outage teaches nothing.
But then, if the deadline is below two intervals, it never learns from a loss, and each loss is a false
alarm.

## Is the promise kept?

`mistakes` are those of all seeds and all days, the first ones included. The interval is the exact Poisson
one of 95 % (Garwood 1936). "Within 2" says whether all of the interval lies between half the promise and
twice the promise. "x oracle" is the median time to notice a crash, divided by that of the oracle for this
promise.
"""
END = """
## Why it holds on any path

A model of losses can be wrong, and a promise that rests on it then breaks. So the model is for the beginning
only. Each silence that ends with a heartbeat shows which thresholds would have been wrong. The detector
keeps the longest ones of a week, or of the time of 14 promised alarms if that is longer. It takes the
shortest silence that had fewer longer ones than were promised. That assumes no shape of losses or
delays.

* Until there is evidence, the model decides: losses follow each other as a chain of two states, and
  delays beyond those that were seen fall with the square of the time. It asks for 60 intervals at most.
  A longer silence has to have been seen.
* However sure the model is, it counts as the evidence of three promised alarms' time at most. In the first
  week, expect up to twice what was promised.
* More false alarms than promised count as longer silences. So a run of them ends.
* When a path becomes worse for good, that costs as many false alarms as were promised for a week, or 14 if
  that is more; and some more while the silences become longer. Then the promise holds again.
* One long outage is one false alarm, and makes no deadline long. The second is evidence.

## When it holds

One client alone: after 7 days or three promised alarms' time, whichever is longer. A promise of one in 30
days needs 90. Before that, it is as good as the model. With `state=`, what was learned survives a restart of
the monitor. It always survives a restart of the client.

## Many clients learn together

A monitor pools the longest silences of its clients. While a client is young, its detector expects what the
model says, or what the other clients had, whichever is worse. So a promise of one in 30 days does not need 90
days.

* It holds over all clients of one kind after ten promised alarms' time of all together. For one in 30 days
  that is 300 days divided by the clients: with 100 clients after three days, with 10 after thirty.
* Before that, the model decides more and more seldom. A client that comes later begins with what the others
  have shown.
* The pool only makes a deadline longer, and it counts as three promised alarms' time at most, as the
  model does. The client's own evidence overrules it.
* A path that is worse than the others learns by itself, as it would alone. On a better one a crash is noticed
  later than it could be, until there is evidence of its own: about 40 days for a promise of one in 30.
* Each client gives its longest silences only, so one with many outages does not stand for all. Clients that
  fall silent together are one `outage`, which says nothing about one of them.
* Silences are pooled in intervals, over clients whose intervals are about the same. The pool takes some
  kilobytes, whatever the number of clients. It forgets after a week, or 14 promised alarms of all.
* The pool is that of one monitor. After a restart with `state=` it is made from what its clients had learned.
  `compare_detectors` follows one sender, so it has no pool.

100 clients in virtual time, each with one heartbeat a minute, 0.5 % single losses and a promise of one in 30
days. 33 false alarms are promised for ten days, and 50 for fifteen.

| outages | first 10 days, alone | pooled | 100 newcomers, 15 days, alone | pooled |
|---|---|---|---|---|
| 2 a day of 4 to 7 | 178 | 23 | 180 | 16 |
| 20 a day of 4 to 7 | 28 | 4 | 24 | 0 |
| 3 in 10 days of 10 to 50 | 262 | 41 | 367 | 65 |
| 3 a day of 10 to 50 | 332 | 41 | 368 | 32 |
| 1 in 20 days of 100 to 300 | 42 | 38 | 83 | 58 |
| 1 a day of 20 to 2,000 | 448 | 121 | 539 | 53 |

In the last row 63 of the 121 fell in the first two days.

## Pinged targets

`Pinger(detector="calibrated:1 per day")` and `udpping ping --detector "calibrated:1 per day"` make the same
promise for targets that are pinged. The code is that of the monitor, and each reply is a heartbeat.

* A target is `up` with its first reply. It is `down` when no reply has come for longer than the detector
  allows. It is up again with two replies in a row. Each change is one event.
* Any reply counts, also one after the `timeout`, which decides only what a row says. An ICMP refusal is no
  reply. A target that never answers is down after what the detector allows at first, and the `timeout`.
* A ping that left late delays the verdict by as much. A ping that could not be sent, as this machine has no
  route, says nothing about the target. While no ping can be sent, there is no verdict: the rows are `error`.
* While this program is stopped, no time passes for the target.
* Pings have to leave evenly, every 1 ms to 1 day. With `poisson`, `uniform` or trains, nobody can say when
  the next reply is due, so they are refused. So is a run without `interval`.
* Each target is judged by its own replies: there is no pool, and nothing is kept from run to run. So for a
  rare promise, or for targets that can send heartbeats, use a monitor.

## What is not shown

There was one sender, and nothing went wrong at the monitor. A silence after which a sender went on with
the next number, as it was stopped or slept, is no false alarm, and teaches nothing.
"""

Trace = Callable[[int, int], list[bool]]


def sprinkle(lost: list[bool], draw: random.Random, loss: float, first: int = 0, end: int = 1 << 60) -> None:
    """Lose single heartbeats."""
    at = first - 1
    while True:
        at += 1 + int(math.log(1 - draw.random()) / math.log1p(-loss))
        if at >= min(end, len(lost)):
            return
        lost[at] = True


def burst(
    lost: list[bool], draw: random.Random, loss: float, run: float, *, first: int = 0, end: int = 1 << 60
) -> None:
    """Lose runs, `run` long on average."""
    good = run * (1 - loss) / loss
    at = first
    while True:
        at += 1 + int(math.log(1 - draw.random()) / math.log1p(-1 / good))
        length = 1 + int(math.log(1 - draw.random()) / math.log1p(-1 / run))
        if at >= min(end, len(lost)):
            return
        lose(lost, at, length)
        at += length


def lose(lost: list[bool], first: int, length: int) -> None:
    """Lose some in a row."""
    length = min(length, len(lost) - first)
    lost[first : first + length] = [True] * length


def bursts(loss: float, run: float) -> Trace:
    """Make a generator of losses that come in runs, `run` long on average."""

    def trace(beats: int, seed: int) -> list[bool]:
        lost = [False] * beats
        burst(lost, random.Random(seed), loss, run)  # noqa: S311 - nothing is secret
        return lost

    return trace


def outages(loss: float, a_day: float, length: Callable[[random.Random], int]) -> Trace:
    """Make a generator of outages over single losses."""

    def trace(beats: int, seed: int) -> list[bool]:
        draw = random.Random(seed)  # noqa: S311 - nothing is secret
        lost = [False] * beats
        sprinkle(lost, draw, loss)
        at = 0.0
        while (at := at + draw.expovariate(a_day / DAY)) < beats:
            lose(lost, int(at), length(draw))
        return lost

    return trace


def nightly(beats: int, seed: int) -> list[bool]:
    """Lose much for half an hour each night."""
    draw = random.Random(seed)  # noqa: S311 - nothing is secret
    lost = [False] * beats
    sprinkle(lost, draw, 0.005)
    for three in range(3 * 3600, beats, DAY):
        burst(lost, draw, 0.6, 12, first=three, end=three + 1800)
    return lost


def regimes(beats: int, seed: int) -> list[bool]:
    """Lose little and much in turns."""
    draw = random.Random(seed)  # noqa: S311 - nothing is secret
    lost, at, bad = [False] * beats, 0, False
    while at < beats:
        end = at + 600 + int(draw.expovariate(2 / DAY))
        if bad:
            burst(lost, draw, 0.1, 6, first=at, end=end)
        else:
            sprinkle(lost, draw, 0.005, at, end)
        at, bad = end, not bad
    return lost


def hours(beats: int, seed: int) -> list[bool]:
    """Lose most in the morning."""
    draw = random.Random(seed)  # noqa: S311 - nothing is secret
    lost = [False] * beats
    for first in range(0, beats, 600):
        loss = 0.04 * (1 + math.sin(2 * math.pi * first / DAY))
        if loss > 1e-6:
            sprinkle(lost, draw, loss, first, first + 600)
    return lost


PATTERNS: dict[str, str | Trace] = {
    "no loss": "0",
    "1 %": "1%",
    "5 %": "5%",
    "20 %": "20%",
    "1 %, bursts of 5": bursts(0.01, 5),
    "5 %, bursts of 3": bursts(0.05, 3),
    "outages of 4 to 7": outages(0.005, 20, lambda draw: draw.randint(4, 7)),
    "outages of minutes": outages(0.01, 3, lambda draw: draw.randint(60, 300)),
    "outages of any length": outages(0.005, 30, lambda draw: int(2 * draw.paretovariate(1.2))),
    "nightly backup": nightly,
    "two regimes": regimes,
    "by hour of the day": hours,
    "heavy-tailed delays": "1%",
    "every tenth": "every:10",
    "3 of every 25": "pattern:" + "." * 22 + "xxx",
}
DELAYS = {"heavy-tailed delays": "pareto:scale=5ms,shape=2.2"}


def compare(name: str, seed: int) -> udpping.Comparison:
    """Let all detectors follow the same heartbeats."""
    pattern, delay = PATTERNS[name], DELAYS.get(name, DELAY)
    if isinstance(pattern, str):
        return udpping.compare_detectors(pattern, detectors=DETECTORS, delay=delay, days=DAYS, seed=seed)
    return udpping.compare_detectors(pattern(DAYS * DAY, seed), detectors=DETECTORS, delay=delay, seed=seed)


def poisson_interval(count: int) -> tuple[float, float]:
    """Give the exact 95 % interval of a Poisson mean: below it and above it lie 2.5 % each."""

    def at_most(n: int, mean: float) -> float:
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(n + 1))

    def solve(wanted: float, n: int) -> float:
        low, high = 1e-9, count + 10 * math.sqrt(count) + 10
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(n, middle) > wanted else (low, middle)
        return low

    return (0.0 if count == 0 else solve(0.975, count - 1)), solve(0.025, count)


def middle(times: list[int | None]) -> int:
    """Give the middle of some times."""
    return sorted(each or 0 for each in times)[len(times) // 2]


def median(times: list[int | None]) -> str:
    """Write it."""
    return f"{middle(times) / 1e9:.1f} s"


def rate(per_day: float) -> str:
    """Write a rate with three digits at least."""
    return f"{per_day:,.0f}" if per_day >= 100 else f"{per_day:.3g}"


def promises(name: str, tables: list[udpping.Comparison]) -> list[str]:
    """Say for each promise whether it was kept."""
    lines: list[str] = []
    days = DAYS * len(SEEDS)
    for place, promise in enumerate(PROMISES, start=len(OTHERS)):
        rows = [table.row(place) for table in tables]
        mistakes = sum(row.mistakes for row in rows)
        low, high = (end / days for end in poisson_interval(mistakes))
        kept = promise / 2 <= low and high <= promise * 2
        foretold = max(row.foretold_ns or 0 for row in rows) / 1e9
        longest = max(row.detection_max_ns or 0 for row in rows) / 1e9
        ours, best = (
            middle([getattr(row, f"{name}_median_ns") for row in rows]) for name in ("detection", "oracle")
        )
        lines.append(
            f"| {promise} a day | {name} | {mistakes} | {mistakes / days:.2f} | {low:.2f} to {high:.2f} "
            f"| {'yes' if kept else '**no**'} | {ours / best:.2f} | {foretold:.1f} s | {longest:.1f} s |"
        )
    return lines


def page() -> str:
    """Run everything and write about it."""
    runs = {name: [compare(name, seed) for seed in SEEDS] for name in PATTERNS}
    titles = [
        *(f"`{detector}`" for detector in DETECTORS),
        *(f"oracle, {promise} per day" for promise in PROMISES),
    ]
    lines = [INTRODUCTION, f"| path | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, tables in runs.items():
        cells: list[str] = []
        for place in range(len(DETECTORS)):
            rows = [table.row(place) for table in tables]
            mistakes = sum(row.mistakes for row in rows) / (DAYS * len(SEEDS))
            cells.append(f"{rate(mistakes)} ({median([row.detection_median_ns for row in rows])})")
        cells += (
            median([table.row(place).oracle_median_ns for table in tables])
            for place in range(len(OTHERS), len(DETECTORS))
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        MIDDLE,
        "| promise | losses | mistakes | a day | 95 % interval | within 2 | x oracle | foretold | longest |",
    ]
    lines.append("|---" * 9 + "|")
    lines += [line for name, tables in runs.items() for line in promises(name, tables)]
    lines += [
        "",
        "`foretold` is how long the detector says, at the end, that it waits for a heartbeat. A crash is",
        "noticed after that and the time in flight (about 5 ms here) at the latest, if nothing is learned.",
        f"`longest` is the longest over {1000 * len(SEEDS):,} crashes, some while it was still learning.",
    ]
    return "\n".join([*lines, END])


def main(words: list[str]) -> None:
    """Print the page or some lines of it, or write it to the file that is named."""
    match words:
        case ["--only", name] if name in PATTERNS:
            print(*promises(name, [compare(name, seed) for seed in SEEDS]), sep="\n")
        case [path] if not path.startswith("-"):
            Path(path).write_text(page(), encoding="utf-8")
        case []:
            print(page(), end="")
        case _:
            print(__doc__, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
