"""Is it 30 %, or 4 of 11? What the course's server loses, and how many pings it takes to see that.

The course says that 30 % of the packets are lost. Its server draws `random.randint(0, 10)`, eleven numbers,
and loses four of them: 36.4 %. Here is how often a run of some length excludes the 30 % (they lie outside its
95 % interval). Everything is simulated, so this takes a second; the seeds are fixed, so it prints the same
every time.
"""

import udpping

COURSE = udpping.loss.RandInt(0, 10, below=4)
RUNS = 400


def excludes(summary: udpping.Summary, share: float) -> bool:
    """Say whether `share` lies outside the interval of the loss."""
    return (
        summary.loss_low is not None
        and summary.loss_high is not None
        and not (summary.loss_low <= share <= summary.loss_high)
    )


def main() -> None:
    """Print one run as a client sees it, then many runs of each length."""
    run = udpping.sim.ping(count=10, loss=COURSE, seed=42)
    print("ten pings, random.seed(42):", " ".join("." if row.status == "reply" else "x" for row in run))
    print(run.summary.loss_text)

    print(f"\nof {RUNS} runs each:  exclude 30 %  exclude 4/11")
    for count in (10, 100, 420, 2_000):
        summaries = [udpping.sim.ping(count=count, loss=COURSE, seed=seed).summary for seed in range(RUNS)]
        wrong, right = (
            sum(excludes(summary, share) for summary in summaries) / RUNS for share in (0.30, 4 / 11)
        )
        print(f"{count:>9,} pings  {100 * wrong:>12.1f} %{100 * right:>12.1f} %")


if __name__ == "__main__":
    main()
