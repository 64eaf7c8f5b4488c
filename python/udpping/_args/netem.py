"""Reads the options of netem, as tc takes them, into the keywords of a `Link`.

What is read is what tc accepts and what `tc qdisc show` prints (`netem_parse_opt` and `netem_print_opt` in
q_netem.c of iproute2), and what netem does is what the kernel does (`netem_enqueue`, `tabledist`,
`packet_time_ns` and `loss_event` in net/sched/sch_netem.c of Linux 6.18). Where that is not what an option
says, the reader says so.
"""

import re
from fractions import Fraction
from random import Random

from udpping import _core
from udpping._args.checks import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

OPTIONS = (
    *("limit", "latency", "delay", "loss", "drop", "seed", "ecn", "reorder", "corrupt", "gap"),
    *("duplicate", "distribution", "rate", "slot"),
)
"""In the order in which tc tries them: it takes the first that begins with the word."""
SECOND = 10**9
TIMES = {
    f"{unit}{end}": size
    for unit, size in (("s", SECOND), ("ms", 10**6), ("us", 1000), ("ns", 1))
    for end in ("", "ec", "ecs")
}
BITS = {
    f"{letter}{power}bit": size**place
    for place, letter in enumerate(("", "k", "m", "g"))
    for power, size in (("", 1000), ("i", 1024))
}
RATES = BITS | {unit.replace("bit", "bps"): 8 * size for unit, size in BITS.items()} | {"": 1}
NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)(.*)")
LIMIT = 1_000
"""Packets that netem holds by default, and the most that the queue of a `Link` holds."""
NO_ETHERNET = "-14"
"""The overhead of a rate that leaves the header of Ethernet out, as a `Link` does."""
CHAIN = ("p", "r", "1-h", "1-k")
STATES = ("p13", "p31", "p32", "p23", "p14")
DRAWS = 200_000
FINEST = 64
"""Steps of the table of a delay of which a part would be below 0."""


def read(text: str) -> "tuple[dict[str, str], list[str]]":
    """Return the keywords of the nearest link, and a sentence for each thing that netem does otherwise."""
    reader = Reader(text)
    reader.read()
    return reader.link(), reader.told


class Reader:
    """One line of tc: first its words, then what they mean together."""

    def __init__(self, text: str) -> None:
        self.text = text
        lines = [line for line in text.splitlines() if "netem" in line.split()]
        if len(lines) > 1:
            self.refuse("one line of netem")
        words = lines[0].split() if lines else text.split()
        self.shown = words[:2] == ["qdisc", "netem"]
        """Whether `tc qdisc show` printed it: with the names of values, without that of a distribution."""
        self.words = words[words.index("netem") + 1 :] if lines else words
        self.place = 0
        if self.shown:
            self.place = self.words.index("limit") if "limit" in self.words else len(self.words)
        self.told: list[str] = []
        self.loss: str | None = None
        self.shares: dict[str, Fraction] = {}
        """Of `loss random`, `duplicate`, `corrupt` and `reorder`."""
        self.delay = self.jitter = 0
        self.table: str | None = None
        self.rate: int | None = None
        self.limit: int | None = None
        self.gap = 0

    def refuse(self, expected: str, word: object = None) -> "NoReturn":
        raise refuse("tc", self.text if word is None else word, expected)

    def read(self) -> None:
        seen: set[str] = set()
        while self.place < len(self.words):
            word = self.words[self.place]
            self.place += 1
            name = next((option for option in OPTIONS if option.startswith(word)), None)
            if name is None:
                self.refuse(f"options of netem, as tc takes them: {', '.join(OPTIONS)}", word)
            name = {"latency": "delay", "drop": "loss"}.get(name, name)
            if name in seen:
                self.refuse(f"each option once: {name} is there twice")
            seen.add(name)
            getattr(self, f"read_{name}")()
        if "reorder" in seen and self.shares["reorder"] and not self.delay:
            self.refuse("a delay beside reorder: what is not reordered waits that long")
        if self.gap and not self.shares.get("reorder"):
            self.refuse("a reorder beside gap, such as 'delay 10ms reorder 25% gap 5'")
        if self.table is not None and not (self.delay and self.jitter):
            self.refuse("a delay with a jitter beside distribution, such as 'delay 20ms 5ms'")
        if "ecn" in seen and self.loss is None:
            self.refuse("a loss beside ecn")

    def next(self, expected: str) -> str:
        if self.place >= len(self.words):
            self.refuse(f"{expected} after {self.words[-1]!r}")
        self.place += 1
        return self.words[self.place - 1]

    def has_number(self, signs: str = "") -> bool:
        """Return whether a number follows: all that tells tc that an option goes on."""
        return self.place < len(self.words) and (
            self.words[self.place][0].isdecimal() or self.words[self.place][0] in signs.split()
        )

    def share(self, expected: str) -> Fraction:
        """Read a percentage, whose sign tc does not ask for."""
        word = self.next(f"{expected}, a percentage from 0 to 100,")
        found = NUMBER.fullmatch(word)
        share = None if found is None or found[2] not in {"", "%"} else Fraction(found[1]) / 100
        if share is None or share > 1:
            self.refuse(f"{expected}, a percentage from 0 to 100", word)
        return share

    def time(self, expected: str) -> int:
        word = self.next(f"{expected}, a time,")
        found = NUMBER.fullmatch(word)
        size = None if found is None else TIMES.get(found[2].lower())
        if found is not None and not found[2] and not Fraction(found[1]):
            return 0
        if found is None or size is None:
            self.refuse(f"{expected}, a time with its unit (20ms): tc reads one without as nanoseconds", word)
        return int(Fraction(found[1]) * size)

    def whole(self, expected: str) -> int:
        word = self.next(expected)
        if not (word.isascii() and word.isdecimal()):
            self.refuse(expected, word)
        return int(word)

    def correlation(self, of: str) -> Fraction:
        return self.share(f"the correlation of {of}") if self.has_number() else Fraction(0)

    def chain(self, names: "tuple[str, ...]") -> "list[Fraction]":
        """Read the probabilities that are there, the first of which must be."""
        found: list[Fraction] = []
        while len(found) < len(names) and (not found or self.has_number() or self.names(names[len(found)])):
            self.place += self.names(names[len(found)])
            found.append(self.share(names[len(found)]))
        return found

    def names(self, name: str) -> bool:
        """Return whether the name of a value is next, as where it is shown."""
        return self.words[self.place : self.place + 1] == [name]

    def read_limit(self) -> None:
        self.limit = self.whole("limit, a number of packets")

    def read_delay(self) -> None:
        self.delay = self.time("delay")
        if not self.has_number():
            return
        self.jitter = self.time("jitter")
        if self.correlation("delay") and self.jitter:
            self.told.append(
                "the correlation of delays is left out: netem looks its delays up by the low digits of the"
                " correlated number, so that up to some 98 % it does next to nothing"
            )

    def read_distribution(self) -> None:
        self.table = self.next("distribution, a name")

    def read_loss(self) -> None:
        if not self.has_number():
            kind = self.next("random, state or gemodel")
            if kind == "state":
                return self.read_state(*self.chain(STATES))
            if kind == "gemodel":
                return self.read_gemodel(*self.chain(CHAIN))
            if kind != "random":
                self.refuse("a percentage, or random, state or gemodel", kind)
        share = self.shares["loss"] = self.share("loss")
        rho = self.correlation("loss")
        if not rho:
            self.loss = decimal(share)
            return None
        if rho == 1:
            self.refuse("a correlation below 100 %: with that all packets have one fate")
        self.loss = f"correlated:{decimal(share)},{decimal(rho)}"
        self.told.append(
            f"netem loses {percent(netem_loses(share, rho))} and not {percent(share)} ({DRAWS:,} simulated"
            " packets): it averages uniform numbers, whose ends become rare; the link loses what is said"
        )
        return None

    def read_gemodel(
        self,
        p: Fraction,
        r: "Fraction | None" = None,
        bad: Fraction = Fraction(1),
        good: Fraction = Fraction(0),
    ) -> None:
        r = 1 - p if r is None else r
        if good > bad:
            p, r, bad, good = r, p, good, bad
        losses = "" if bad == 1 and good == 0 else f",loss_good={decimal(good)},loss_bad={decimal(bad)}"
        self.loss = f"gilbert-elliott:{decimal(p)},{decimal(r)}{losses}"
        if p + r != 1:
            self.told.append(START.format("the good state"))

    def read_state(
        self,
        p13: Fraction,
        p31: "Fraction | None" = None,
        p32: Fraction = Fraction(0),
        p23: Fraction = Fraction(1),
        p14: Fraction = Fraction(0),
    ) -> None:
        p13 = min(p13, 1 - p14)
        p31 = min(1 - p13 if p31 is None else p31, 1 - p32)
        if not p14 and (not p32 or not p13):
            self.loss = f"gilbert-elliott:{decimal(p13)},{decimal(p31)}"
        elif not p31 or (p32 and not p23):
            self.refuse("probabilities above 0 for each way back to state 1: else all is lost in the end")
        else:
            # Shares of time, those of states 1 and 4 first; a run of losses ends in state 1 or 2.
            three, lost = p13 / p31, p14 + p13 / p31
            share = lost / (1 + lost + (three * p32 / p23 if p32 else 0))
            run = lost / (p14 + three * (p31 + p32))
            self.loss = f"burst:{decimal(share)},{decimal(max(run, Fraction(1)))}"
            self.told.append(
                "of the four states the link keeps the share lost and the mean length of the runs of losses,"
                " and not how runs follow each other"
            )
        if p13 + p31 != 1 or p14:
            self.told.append(START.format("state 1"))

    def read_ecn(self) -> None:
        self.told.append(
            "the link marks nothing: it drops what netem would mark, which is what can carry ECN"
        )

    def read_seed(self) -> None:
        self.whole("seed, a whole number")
        self.told.append(
            "the seed is left out: that of a server or simulation (seed=) repeats the link, and netem draws"
            " other numbers"
        )

    def read_reorder(self) -> None:
        self.read_share("reorder")

    def read_corrupt(self) -> None:
        self.read_share("corrupt")
        self.told.append(
            "netem flips a bit anywhere in the packet, after its checksum was made, so that the receiving"
            " system drops most of them; the link flips one of the payload, which arrives"
        )

    def read_duplicate(self) -> None:
        self.read_share("duplicate")

    def read_share(self, name: str) -> None:
        self.shares[name] = self.share(name)
        if self.correlation(name):
            self.told.append(f"the correlation of {name} is left out: netem does not keep the share with one")

    def read_gap(self) -> None:
        self.gap = self.whole("gap, a number of packets")

    def read_rate(self) -> None:
        word = self.next("rate, such as 1mbit,")
        found = NUMBER.fullmatch(word)
        size = None if found is None else RATES.get(found[2].lower())
        if found is None or size is None:
            self.refuse("rate, such as 1mbit, 100kbit or 10MBps (bytes)", word)
        self.rate = 8 * int(Fraction(found[1]) * size / 8)
        self.place += self.names("packetoverhead")
        overhead = self.next("overhead") if self.has_number("-") else "0"
        if overhead not in {"0", NO_ETHERNET}:
            self.refuse("a rate without an overhead: a link counts IP packets", overhead)
        if overhead != NO_ETHERNET:
            self.told.append(
                "netem also counts the 14 bytes of an Ethernet header, and the link does not: at 100 bytes of"
                " payload it sends 11 % more packets"
            )
        self.place += self.names("cellsize")
        if self.has_number() and self.whole("the size of a cell"):
            self.refuse("a rate without cells: a link sends whole packets")

    def read_slot(self) -> None:
        self.refuse("no slot: a link has none", "slot")

    def link(self) -> "dict[str, str]":
        """Put together what was read."""
        link = {} if self.loss is None else {"loss": self.loss}
        link |= self.waiting()
        for name in ("duplicate", "corrupt"):
            if self.shares.get(name):
                link[name] = decimal(self.shares[name])
        lost, copied = self.shares.get("loss"), self.shares.get("duplicate")
        if lost and copied:
            self.told.append(
                "netem sends a packet once that it both loses and duplicates, so that"
                f" {percent(lost * (1 - copied))} are lost and not {percent(lost)}; the link duplicates"
                " what is not lost"
            )
        if self.rate is not None:
            link["rate"] = f"{self.rate}bit/s"
            link["queue"] = str(min(self.limit or LIMIT, LIMIT))
            if self.limit is not None and self.limit > LIMIT:
                self.told.append(
                    f"the queue holds {LIMIT:,} packets, the most of a link, and not {self.limit:,}"
                )
            if self.delay:
                self.told.append(
                    "netem's limit also counts packets that wait for their delay, and the queue of the link"
                    " only those that wait for the rate"
                )
        elif self.delay:
            most = (self.limit or LIMIT) * SECOND // self.delay
            self.told.append(
                f"netem drops what comes faster than {most:,} packets a second, as its limit of"
                f" {self.limit or LIMIT:,} packets counts those that wait for their delay; the link holds"
                " any number"
            )
        return link

    def waiting(self) -> "dict[str, str]":
        """Return the delay, the jitter and the reordering."""
        low, width = self.delay - self.jitter, 2 * self.jitter
        if self.shares.get("reorder"):
            return self.reordering(low, width)
        if not self.jitter:
            return {"delay": f"{self.delay}ns"} if self.delay else {}
        drawn = _core.check_delay(self.distribution(low))
        if self.rate is not None:
            self.told.append("beside a rate netem's jitter keeps the order of packets, and so does the link")
            return {"jitter": drawn}
        self.told.append(
            "the jitter reorders packets, in netem and in the link; for one that keeps the order say"
            f" udpping.Link(jitter={drawn!r})"
        )
        return {"delay": drawn}

    def distribution(self, low: int) -> str:
        mean, sigma = self.delay, self.jitter
        if self.table in {None, "uniform"}:
            self.told.append(
                "without a distribution netem draws evenly from delay - jitter to delay + jitter, and not"
                " from a normal distribution, as its manual says"
                if self.table is None and not self.shown
                else "tc does not show a distribution: the link draws evenly, as netem does without one"
                if self.table is None
                else "tc has no table of the name uniform; netem draws evenly when no distribution is given"
            )
            return self.cut_off(low, 2 * sigma) if low < 0 else f"uniform:{low}ns,{mean + sigma}ns"
        if self.table == "normal":
            return f"normal:mean={mean}ns,sigma={sigma}ns"
        if self.table != "pareto":
            self.refuse("distribution uniform, normal or pareto", self.table)
        # The table is 4 / 3 * (u ** (-1 / 3) - 3 / 2), so its mean is 0, and it ends at 4.
        if mean < 2 * sigma:
            self.refuse("a delay of at least twice the jitter for pareto")
        self.told.append(
            "netem's table of pareto ends at the delay and 4 jitters; the link has the whole tail"
        )
        return f"pareto:scale={4 * sigma // 3}ns,shape=3,base={mean - 2 * sigma}ns"

    def cut_off(self, low: int, width: int) -> str:
        """Draw evenly from `low` on, where what is below 0 is 0: quantiles with a step where 0 is."""
        at_once = Fraction(-low, width).limit_denominator(FINEST)
        steps = at_once.denominator
        self.told.append(
            f"{percent(at_once)} of the packets have a delay below 0, which netem and the link take for none"
        )
        return "table:" + ",".join(f"{max(0, low + width * step // steps)}ns" for step in range(steps + 1))

    def reordering(self, low: int, width: int) -> "dict[str, str]":
        """Delay what netem delays: what it calls reordered is sent at once, and overtakes that."""
        share = self.shares["reorder"]
        if self.gap > 1:
            share = 1 / (self.gap - 1 + 1 / share)
            self.told.append(
                f"with this gap netem sends {percent(share)} of the packets at once, with at least"
                f" {self.gap - 1} others between two; the link takes as many, but any of them"
            )
        if self.jitter and (self.table or low <= 0):
            self.refuse("a fixed delay beside reorder, or a jitter below it without a distribution")
        self.told.append(
            f"netem's reorder sends {percent(share)} of the packets at once and delays the others, so that"
            " nothing overtakes when packets are further apart than the delay; the link does the same"
        )
        if self.rate is not None:
            self.told.append(
                "beside a rate netem's reordered packets wait for nothing and take none of the rate; in the"
                " link they wait for it like all others"
            )
        link = {"reorder": f"{decimal(1 - share)},{low}ns"} if share < 1 else {}
        if self.jitter:
            longest = _core.check_delay(f"{width}ns")
            self.told.append(f"in the link, what is sent at once also waits for a jitter of up to {longest}")
            link["delay"] = f"uniform:0ns,{longest}"
        return link


START = "netem begins in {}, and loses less at first; the link begins as in the long run"


def netem_loses(share: Fraction, rho: Fraction) -> Fraction:
    """Estimate the share that netem loses, from many packets: it compares averages with the threshold."""
    draw, threshold, kept = Random(1).random, float(share), float(rho)  # noqa: S311 - no secret
    last, lost = 0.5, 0
    for _ in range(DRAWS):
        last = (1 - kept) * draw() + kept * last
        lost += last <= threshold
    return Fraction(lost, DRAWS)


def decimal(number: Fraction) -> str:
    return f"{float(number):.9f}".rstrip("0").rstrip(".")


def percent(share: Fraction) -> str:
    return f"{float(100 * share):.3g} %"
