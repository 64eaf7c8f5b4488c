"""Which failure detector keeps its promise? Six patterns of loss, seven detectors, 138 days each.

The sender is well all the time, so whoever suspects it is wrong. Everything happens in virtual time, with the
seeds below, so it takes less than a minute and prints the same every time:

    python examples/detectors.py                      the page
    python examples/detectors.py docs/detectors.md    the page, written to a file
    python examples/detectors.py --only "20 %"        its lines on the promises, for one pattern
"""

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path

import udpping

SEEDS = (11, 12, 13)
DAYS = 46  # for each seed: 4 million heartbeats
DELAY = "exponential:5ms"
OTHERS = ("fixed:3", "fixed:5", "phi:8", "phi:8,pause=3s", "chen:2.1s")
PROMISES = (10, 1)
DETECTORS = (*OTHERS, *(f"calibrated:{promise} per day" for promise in PROMISES))

INTRODUCTION = f"""\
# How often is a failure detector wrong?

`python examples/detectors.py docs/detectors.md` writes this page, and the tests check its numbers.

A healthy sender sends a heartbeat every second, for {DAYS} days with each of the seeds
{", ".join(map(str, SEEDS))}. The counts are those of the seeds together. Each heartbeat takes an exponential
time of 5 ms on average. As the sender is healthy, every suspicion is a false alarm. How much the
calibrated detector remembers was chosen with other seeds (1, 2 and 3).

"Bursts of 5" means that losses come in runs of 5 on average: a Gilbert-Elliott channel that drops
everything while it is bad. The script makes the runs, and they are played as traces.

## Mistakes per day, and the median time to notice a crash
"""
MIDDLE = """
The rates of all detectors except the last two differ by orders of magnitude from one pattern to the next.
Their settings (misses, phi, a margin) say little about how often they are wrong. The calibrated ones have
nearly the same rate everywhere. The price is the time that it takes to notice a crash.

`phi:8` does not learn from an interval that ended after its deadline, so that an outage teaches nothing.
But then, if the deadline is below two intervals, it never learns from a loss, and each loss is a false
alarm.

## Is the promise kept?

`mistakes` are those of all seeds. The interval is the exact Poisson one of 95 % (Garwood 1936), as such
rare mistakes hardly come in clusters. "Within 2" says whether all of the interval lies between half the
promise and twice the promise.
"""
END = """
## Why it is not exact

* With no loss there are fewer false alarms than promised. Nobody can know that nothing will be lost. The
  chance is taken as one in as many heartbeats as came so far, and that part of the promise is reserved
  for it. For one false alarm a day that is all of it until 86,000 heartbeats came, on the first day.
  Besides, ten delays in a million decide the deadline then. Beyond them the tail is assumed to be heavier
  than this one is.
* With bursts there are somewhat more. The chance that a run goes on is known from some hundreds of runs,
  and twenty heartbeats later its error has grown twentyfold. An error that shortens the wait costs more
  false alarms than one that lengthens it saves.

## What is not shown

The chance of a loss stayed the same. A path that changes is learned anew within about 50,000 heartbeats,
and until then the promise may be broken. Delays were exponential. Heavier tails are learned as they are
seen. Beyond what was seen, they are assumed to fall with the square of the time. There was one sender,
and nothing went wrong at the monitor.
"""


def bursts(loss: float, run: float) -> Callable[[int, int], list[bool]]:
    """Make a generator of losses that come in runs, `run` long on average."""

    def trace(beats: int, seed: int) -> list[bool]:
        chance = random.Random(seed).random  # noqa: S311 - nothing is secret
        leave, enter = 1 / run, loss / (1 - loss) / run
        bad, lost = False, list[bool]()
        for _ in range(beats):
            bad = chance() >= leave if bad else chance() < enter
            lost.append(bad)
        return lost

    return trace


PATTERNS: dict[str, str | Callable[[int, int], list[bool]]] = {
    "no loss": "0",
    "1 %": "1%",
    "5 %": "5%",
    "20 %": "20%",
    "1 %, bursts of 5": bursts(0.01, 5),
    "5 %, bursts of 3": bursts(0.05, 3),
}


def compare(pattern: str | Callable[[int, int], list[bool]], seed: int) -> udpping.Comparison:
    """Let all detectors follow the same heartbeats."""
    if isinstance(pattern, str):
        return udpping.compare_detectors(pattern, detectors=DETECTORS, delay=DELAY, days=DAYS, seed=seed)
    return udpping.compare_detectors(
        pattern(DAYS * 86_400, seed), detectors=DETECTORS, delay=DELAY, seed=seed
    )


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
        lines.append(
            f"| {promise} a day | {name} | {mistakes} | {mistakes / days:.2f} | {low:.2f} to {high:.2f} "
            f"| {'yes' if kept else '**no**'} | {foretold:.1f} s | {longest:.1f} s |"
        )
    return lines


def page() -> str:
    """Run everything and write about it."""
    runs = {name: [compare(pattern, seed) for seed in SEEDS] for name, pattern in PATTERNS.items()}
    lines = [INTRODUCTION, f"| detector | {' | '.join(PATTERNS)} |", "|---" * (len(PATTERNS) + 1) + "|"]
    for place, detector in enumerate(DETECTORS):
        cells: list[str] = []
        for tables in runs.values():
            rows = [table.row(place) for table in tables]
            medians = sorted(row.detection_median_ns or 0 for row in rows)
            mistakes = sum(row.mistakes for row in rows) / (DAYS * len(SEEDS))
            cells.append(f"{rate(mistakes)} ({medians[len(medians) // 2] / 1e9:.1f} s)")
        lines.append(f"| `{detector}` | {' | '.join(cells)} |")
    lines += [
        MIDDLE,
        "| promise | losses | mistakes | a day | 95 % interval | within 2 | foretold | longest |",
    ]
    lines.append("|---" * 8 + "|")
    lines += sorted(line for name, tables in runs.items() for line in promises(name, tables))
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
            print(*promises(name, [compare(PATTERNS[name], seed) for seed in SEEDS]), sep="\n")
        case [path] if not path.startswith("-"):
            Path(path).write_text(page(), encoding="utf-8")
        case []:
            print(page(), end="")
        case _:
            print(__doc__, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
