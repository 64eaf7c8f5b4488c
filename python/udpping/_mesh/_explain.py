"""Which host, pair or group explains what was lost.

A cell is two hosts, with what either lost of its pings to the other. A cause is a set of cells: all of a
host, of a group, of two groups, or a single one. The cause that raises the likelihood most, if each set has
one loss, is taken out with its cells, and the rest is searched again.

Losses come in bursts. So evidence is not of lost pings but of their runs: whether more of them begin, and
whether they last longer, than elsewhere. It is divided by the dispersion of cells, and a host is named only
if it shows without the worst third of its cells too.
"""

from array import array
from math import ceil, exp, log
from typing import Any, NamedTuple

from udpping import _core
from udpping._mesh._finding import Facts, Finding, cannot_tell, interval, name, sentence, share, within
from udpping._mesh._frame import values
from udpping._table.text import counted, short, visible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from udpping._mesh._rows import PairRow

ALPHA = 0.01
"""The chance to name a host where none is at fault; likewise a pair, and a group."""
CLOSE = 3.0
"""Two causes whose logarithms of likelihood differ by less cannot be told apart."""
BURST = 5.0
"""The mean length of runs of losses, as far as the others do not show it."""
FEW = 10.0
"""So many losses of others would show it as well."""
ODD = 3
"""So many pairs at fault do not raise what is taken for the dispersion of all others."""
TRIMMED = 0.05
"""The p-value without the worst third."""
MOST = 20
"""Findings."""
WIDE = {"pair": 0, "host": 1, "groups": 2, "group": 3}
ALSO = 0.25
"""A way that loses so much of what the other loses is at fault too."""
ONE_SIDED = 0.001
"""The p-value at which only a host's own pings, or only those of others, are at fault."""
TRIED = 200
"""Pairs that are considered: those that lost most."""


class Sums:
    """Pings of several cells, lost ones, their runs, these squared over the pings of each, and how many."""

    __slots__ = ("lost", "runs", "sent", "squares", "units")

    def __init__(self) -> None:
        self.sent, self.lost, self.runs, self.squares, self.units = 0, 0, 0, 0.0, 0

    def add(self, other: "Sums", sign: int = 1) -> None:
        self.sent += sign * other.sent
        self.lost += sign * other.lost
        self.runs += sign * other.runs
        self.squares += sign * other.squares
        self.units += sign * other.units

    def without(self, other: "Sums") -> "Sums":
        rest = Sums()
        rest.add(self)
        rest.add(other, -1)
        return rest

    @property
    def loss(self) -> float:
        return self.lost / self.sent if self.sent else 0.0

    @property
    def free(self) -> int:
        """Return how many pings a run of losses could begin with."""
        return self.sent - self.lost + self.runs

    @property
    def dispersion(self) -> float:
        """Return how much more runs vary than independent ones; at least 1, and near 1 for few cells."""
        if not 0 < self.runs < self.sent:
            return 1.0
        share = self.runs / self.sent
        squares = (self.squares / share - self.runs) / (1 - share)
        return max(1.0, (squares + 2) / (self.units + 1))

    @property
    def burstiness(self) -> float:
        """Return how much more the losses in a cell vary than independent ones, as they come in runs."""
        if not self.lost:
            return 1.0
        memory = (self.lost - self.runs) / self.lost - self.runs / self.free
        return max(1.0, (1 + memory) / (1 - memory))


class Cell(Sums):
    """Two hosts."""

    __slots__ = ("hosts", "is_taken", "place")

    def __init__(self, hosts: tuple[int, int], place: int) -> None:
        super().__init__()
        self.hosts = hosts
        self.place = place
        self.is_taken = False
        """Whether a cause explains it already."""


class Cause(NamedTuple):
    """A set of cells, and how much it explains."""

    key: tuple[Any, ...]
    sums: Sums
    gain: float
    dispersion: float


WAYS = 6
"""Counts of one direction of a cell."""


def _close(units: dict[Cell, list[int]]) -> None:
    """Take in the cells of a round."""
    for cell, (sent, lost, runs) in units.items():
        cell.sent += sent
        cell.lost += lost
        cell.runs += runs
        cell.squares += runs * runs / sent
        cell.units += 1
    units.clear()


def evidence(some: Sums, others: Sums) -> float:
    """Return the gain in the logarithm of the likelihood if `some` lose more than `others`.

    Its negative exponential is a bound of the p-value (Chernoff), however few the losses are. It has two
    parts: runs of losses begin more often, or last longer (the two chances of a Gilbert channel). They are
    independent, and chance leaves each at 0 half of the time, so the bound holds for their sum.
    """
    if not others.sent or some.loss <= others.loss:
        return 0.0
    lasted = some.lost - some.runs, some.lost
    known = others.lost - others.runs + FEW * (1 - 1 / BURST), others.lost + FEW
    longer = _gain(lasted, known)
    if longer:
        longer += _sum(*((of - count, of) for count, of in (lasted, known)))
    return longer + _gain((some.runs, some.free), (others.runs, others.free))


def _gain(some: tuple[float, float], others: tuple[float, float]) -> float:
    """Return the gain if the share of `some` is larger; each is a count, and of how many."""
    return _sum(some, others) if some[0] * others[1] > others[0] * some[1] else 0.0


def _sum(*parts: tuple[float, float]) -> float:
    count, of = (sum(each) for each in zip(*parts, strict=True))
    return sum(own * log(own * of / its / count) for own, its in parts if own)


def excess(some: Sums, others: Sums) -> float:
    """Return the same for independent losses: of each way it is not known how they come."""
    return _gain((some.lost, some.sent), (others.lost, others.sent))


class Losses:
    """What was measured, by cells and by ordered pairs."""

    def __init__(self, rows: "Iterable[PairRow]") -> None:
        self.names: list[str] = []
        self.groups: list[str] = []
        self.errors: dict[int, str] = {}
        """Why a host has no results."""
        self.cells: dict[tuple[int, int], Cell] = {}
        # In one piece, as 1,000 hosts have half a million cells.
        self._counts = array("q")
        places: dict[str, int] = {}
        heard: set[int] = set()
        units: dict[Cell, list[int]] = {}
        current: int | None = None
        names = ("round", "source", "target", "group_source", "group_target", "sent", "received", "loss_runs")
        for number, source, target, group, other, sent, received, runs, up, down, unknown, error in values(
            rows, *names, "lost_up", "lost_down", "lost_unknown", "error"
        ):
            if number != current:
                _close(units)
                current = number
            for host, its in ((source, group), (target, other)):
                if host not in places:
                    places[host] = len(places)
                    self.names.append(host)
                    self.groups.append(its)
            a, b = places[source], places[target]
            if not sent:
                if error is not None:
                    self.errors[a] = error
                continue
            heard.add(a)
            cell, lost = self._cell((a, b) if a < b else (b, a)), sent - received
            at, counts = cell.place + (0 if a < b else WAYS), self._counts
            counts[at] += sent
            counts[at + 1] += lost
            if up is not None and down is not None:
                counts[at + 2] += sent
                counts[at + 3] += up
                counts[at + 4] += down
                counts[at + 5] += unknown or 0
            unit = units.setdefault(cell, [0, 0, 0])
            unit[0] += sent
            unit[1] += lost
            unit[2] += runs
        _close(units)
        self.errors = {host: error for host, error in self.errors.items() if host not in heard}
        self.members: dict[str, list[int]] = {}
        for host, group in enumerate(self.groups):
            self.members.setdefault(group, []).append(host)

    def _cell(self, hosts: tuple[int, int]) -> Cell:
        cell = self.cells.get(hosts)
        if cell is None:
            cell = self.cells[hosts] = Cell(hosts, len(self._counts))
            self._counts.extend((0,) * (2 * WAYS))
        return cell

    def ways(self, cell: Cell, source: int) -> "Sequence[int]":
        """Return of one of its hosts: sent, lost; sent with the way known; lost up, down, unknown."""
        at = cell.place + (0 if cell.hosts[0] == source else WAYS)
        return self._counts[at : at + WAYS]

    def keys(self, cell: Cell) -> "Iterator[tuple[Any, ...]]":
        """Yield the causes that a cell belongs to, itself apart."""
        a, b = cell.hosts
        yield "host", a
        yield "host", b
        if len(self.members) == 1:
            return
        g, h = (self.groups[host] for host in cell.hosts)
        for group in dict.fromkeys((g, h)):
            if len(self.members[group]) > 1:
                yield "group", group, "all"
                yield "group", group, "inside" if g == h else "outside"
        if g != h and len(self.members[g]) > 1 and len(self.members[h]) > 1:
            yield "groups", *sorted((g, h))

    def sides(self, key: "tuple[Any, ...]") -> "list[Callable[[Cell], list[int]]]":
        """Return what of a cell must not be alone at fault, for the cause to be one."""
        if key[0] == "pair":
            return []
        if key[0] == "host":
            return [lambda cell: [host for host in cell.hosts if host != key[1]]]

        def within(groups: "tuple[str, ...]", *, wanted: bool = True) -> "Callable[[Cell], list[int]]":
            return lambda cell: [host for host in cell.hosts if (self.groups[host] in groups) is wanted]

        if key[0] == "groups":
            return [within((key[1],)), within((key[2],))]
        return [within((key[1],))] + ([within((key[1],), wanted=False)] if key[2] == "outside" else [])


class Search:
    """The cells that are not explained yet."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.total = Sums()
        self.sums: dict[tuple[Any, ...], Sums] = {}
        self.by_host: dict[int, list[Cell]] = {}
        for cell in losses.cells.values():
            self._count(cell, 1)
            for host in cell.hosts:
                self.by_host.setdefault(host, []).append(cell)
        self.lossy = sorted(losses.cells.values(), key=lambda cell: cell.lost, reverse=True)[:TRIED]
        kinds = [key[0] for key in self.sums]
        self.chances = {kind: ALPHA / kinds.count(kind) for kind in set(kinds)}
        self.chances["pair"] = ALPHA / max(1, len(losses.cells))

    def _count(self, cell: Cell, sign: int) -> None:
        self.total.add(cell, sign)
        for key in self.losses.keys(cell):
            self.sums.setdefault(key, Sums()).add(cell, sign)

    def cells(self, key: "tuple[Any, ...]") -> "list[Cell]":
        """Return the cells of a cause that are left."""
        if key[0] == "pair":
            return [cell for cell in [self.losses.cells[key[1], key[2]]] if not cell.is_taken]
        hosts = [key[1]] if key[0] == "host" else self.losses.members[key[1]]
        found = dict.fromkeys(
            cell for host in hosts for cell in self.by_host.get(host, ()) if not cell.is_taken
        )
        return [cell for cell in found if key in self.losses.keys(cell)]

    def take(self, key: "tuple[Any, ...]") -> None:
        for cell in self.cells(key):
            self._count(cell, -1)
            cell.is_taken = True
        self.lossy = [cell for cell in self.lossy if not cell.is_taken]

    def causes(self) -> "list[Cause]":
        """Return what explains losses, the best first."""
        found: list[Cause] = []
        pairs = ((("pair", *cell.hosts), cell) for cell in self.lossy)
        for key, sums in (*self.sums.items(), *pairs):
            gain = evidence(sums, self.total.without(sums))
            if gain > 0 and exp(-gain / sums.dispersion) <= self.chances[key[0]]:
                found.append(Cause(key, sums, gain, sums.dispersion))
        # Of causes that explain it equally well, the smallest is the first.
        found.sort(key=lambda cause: (-cause.gain, WIDE[cause.key[0]]))
        return [cause for cause in found[:TRIED] if self._is_broad(cause)]

    def _is_broad(self, cause: Cause) -> bool:
        """Return whether the cause shows without the worst third of its hosts, on each side."""
        cells, rest = self.cells(cause.key), self.total.without(cause.sums)
        for side in self.losses.sides(cause.key):
            each: dict[int, Sums] = {}
            for cell in cells:
                for host in side(cell):
                    each.setdefault(host, Sums()).add(cell)
            worst = sorted(each, key=lambda host: each[host].loss, reverse=True)
            dropped = set(worst[: ceil(len(worst) / 3) if len(worst) > 1 else 0])
            left = Sums()
            for cell in cells:
                if dropped.isdisjoint(side(cell)):
                    left.add(cell)
            if exp(-evidence(left, rest) / cause.dispersion) > TRIMMED:
                return False
        return True


class Found(NamedTuple):
    """A cause, the cells that it explains, and what would explain them as well."""

    cause: Cause
    cells: list[Cell]
    rivals: list[Cause]


def explain(rows: "Iterable[PairRow]") -> list[Finding]:
    """Return what explains the losses, the strongest first, with its evidence.

    Where nothing stands out there is one finding of kind `none`.
    """
    losses = Losses(rows)
    search = Search(losses)
    found: list[Found] = []
    if len(losses.cells) == 1 and search.total.lost:
        (cell,) = losses.cells.values()
        pair, *either = (Cause(key, cell, 0, 1.0) for key in (("pair", *cell.hosts), *losses.keys(cell)))
        found.append(Found(pair, [cell], either))
        search.take(pair.key)
    # How much cells vary beyond the causes. A few hosts at fault must not raise it; many may not lower it.
    dispersion, hosts, pairs = search.total.dispersion, 0, 0
    while len(found) < MOST and (causes := search.causes()):
        best = causes[0]
        cells = search.cells(best.key)
        own = set(cells)
        rivals = [cause for cause in causes[1:] if not own.isdisjoint(search.cells(cause.key))]
        sums = Sums()
        sums.add(best.sums)
        found.append(Found(best._replace(sums=sums), cells, rivals))
        search.take(best.key)
        pairs += best.key[0] == "pair"
        hosts += len(losses.members.get(best.key[1], ())) if best.key[0].startswith("group") else 1
        few = min(ODD, len(losses.cells) // 10)
        if hosts - pairs <= max(1, len(losses.names) // 4) and pairs <= max(1, few):
            dispersion = search.total.dispersion
    return _judged(losses, search, found, dispersion)


def _judged(losses: Losses, search: Search, found: list[Found], dispersion: float) -> list[Finding]:
    """Keep the causes that the dispersion of the rest does not explain, and say what they are."""
    rest, sure = search.total, list[tuple[Found, float, float | None]]()
    # Pairs were chosen as the worst ones, so without them the rest would look too good.
    others = rest.without(Sums())
    for each in found:
        if each.cause.key[0] == "pair":
            others.add(each.cause.sums)
    for each in found:
        cause, against, spread = each.cause, others, max(each.cause.dispersion, dispersion)
        if cause.key[0] == "pair":
            against = others.without(cause.sums)
        chance = exp(-evidence(cause.sums, against) / spread)
        near = cause.gain - CLOSE * spread
        sole = each._replace(rivals=[rival for rival in each.rivals if rival.gain >= near])
        if not against.sent:
            sure.append((sole, spread, None))
        elif chance <= search.chances[cause.key[0]]:
            sure.append((sole, spread, chance))
        else:
            rest.add(cause.sums)
    findings = [_finding(losses, each, rest, spread, chance) for each, spread, chance in sure]
    named = {each.cause.key[:2] for each, *_ in sure}
    for host, error in losses.errors.items():
        if ("host", host) not in named:
            its = losses.names[host]
            text = f"host {short(its)} was not heard from: {visible(error)}"
            findings.append(Finding("unheard", (its,), text))
    return findings or [_nothing(losses, rest, dispersion)]


def _nothing(losses: Losses, rest: Sums, dispersion: float) -> Finding:
    """Say that nothing stands out, or why nothing can."""
    if not rest.sent:
        return Finding("none", (), "nothing was measured")
    bounds = _bounds(rest, dispersion * rest.burstiness)
    middle, ends = interval(*bounds)
    hosts = len(losses.names)
    pairs = sum(losses.ways(cell, host)[0] > 0 for cell in losses.cells.values() for host in cell.hosts)
    possible = hosts * (hosts - 1)
    part = f" among the {share(pairs / possible)} of pairs that were measured" if pairs < possible else ""
    lost = f"{middle} of pings are lost {ends}" if rest.lost else f"{counted(rest.sent, 'pings')}, none lost"
    text = f"no host, pair or group stands out{part}: {lost}"
    return Finding("none", (), text, None, None, rest.sent, rest.lost, *bounds)


def _finding(losses: Losses, found: Found, rest: Sums, spread: float, chance: float | None) -> Finding:
    """Say what a cause loses, on which way, and of whose pings."""
    cause = found.cause
    spread *= cause.sums.burstiness
    kind, names = _named(losses, cause.key)
    way, pings, of, facts = _ways(losses, found, rest, spread)
    if kind == "pair" and way == "receives":
        way, names = "sends", names[::-1]
        facts = facts._replace(way=way, out=facts.back, back=facts.out)
    bounds = _bounds(of, spread)
    text = sentence(kind, names, facts, bounds)
    if cause.key[-1] == "inside":
        text = within(names[0], bounds)
    own = name(kind, names)
    others = dict.fromkeys(name(*_named(losses, rival.key)) for rival in found.rivals)
    # A group may be a cause in several ways.
    rivals = [other for other in others if other != own]
    if rivals:
        text = cannot_tell(kind, names, rivals, text)
    if kind == "host" and (error := losses.errors.get(cause.key[1])):
        text += f"; it was not heard from: {visible(error)}"
    if rest.sent and not rivals:
        text += f"; without {'it' if kind != 'groups' else 'them'} the others lose {share(rest.loss)}"
    total = cause.sums
    rest_loss = rest.loss if rest.sent else None
    return Finding(
        kind, names, text, way, pings, total.sent, total.lost, *bounds, rest_loss, chance, tuple(rivals)
    )


def _named(losses: Losses, key: "tuple[Any, ...]") -> "tuple[str, tuple[str, ...]]":
    kind: str = key[0]
    names: list[Any] = list(key[1:])
    if kind in {"host", "pair"}:
        return kind, tuple(map(losses.names.__getitem__, names))
    return kind, tuple(names[:1] if kind == "group" else names)


def _bounds(sums: Sums, spread: float) -> tuple[float, float, float]:
    """Return the loss and its 95 % interval, as if so many times fewer pings had been sent."""
    ends = _core.wilson(round(sums.lost / spread), max(1, round(sums.sent / spread))) or (0.0, 1.0)
    return sums.loss, min(ends[0], sums.loss), max(ends[1], sums.loss)


def _ways(
    losses: Losses, found: Found, rest: Sums, spread: float
) -> "tuple[str | None, str | None, Sums, Facts]":
    """Tell on which way pings are lost, and whose, with the sums that the loss is of."""
    ends = _ends(losses, found)
    own, others = (ends[is_own].pings for is_own in (True, False))
    pings = None
    for more, less, word in ((own, others, "own"), (others, own, "others")):
        if less.loss < more.loss * ALSO and exp(-excess(more, less) / spread) <= ONE_SIDED:
            pings = word
    out, back, unknown = Sums(), Sums(), 0
    for is_own, end in ends.items():
        if pings is None or is_own == (pings == "own"):
            out.add(end.there if is_own else end.back)
            back.add(end.back if is_own else end.there)
            unknown += end.unknown
    way = _way(out, back, rest, spread) if out.lost + back.lost > unknown else None
    of = found.cause.sums
    if pings is not None:
        of = own if pings == "own" else others
    elif way in {"sends", "receives"}:
        of = out if way == "sends" else back
    numbered = out.sent + back.sent > 0
    return way, pings, of, Facts(way, pings, out.loss, back.loss, own.loss, others.loss, numbered)


def _way(out: Sums, back: Sums, rest: Sums, spread: float) -> str | None:
    """Tell which of the two loses more, or that both do."""
    more, less, word = (out, back, "sends") if out.loss >= back.loss else (back, out, "receives")
    if less.loss >= ALSO * more.loss and exp(-excess(less, rest) / spread) <= ALPHA:
        return "both"
    return word if exp(-excess(more, less) / spread) <= ALPHA else None


class End:
    """What was lost of the pings of one side."""

    def __init__(self) -> None:
        self.pings = Sums()
        self.there = Sums()
        """On the way up, of all that were to go up."""
        self.back = Sums()
        """On the way down, of all that came up."""
        self.unknown = 0


def _ends(losses: Losses, found: Found) -> dict[bool, End]:
    """Add up the pings of the hosts of a cause, and those of the others to them."""
    key = found.cause.key
    inner = {key[1]} if key[0] in {"host", "pair"} else set(losses.members[key[1]])
    ends = {True: End(), False: End()}
    for cell in found.cells:
        a, b = cell.hosts
        if (a in inner) == (b in inner):
            continue
        for source in cell.hosts:
            sent, lost, known, up, down, unknown = losses.ways(cell, source)
            end = ends[source in inner]
            _count(end.pings, sent, lost)
            _count(end.there, known, up)
            _count(end.back, known - up - unknown, down)
            end.unknown += unknown
    return ends


def _count(sums: Sums, sent: int, lost: int) -> None:
    sums.sent += sent
    sums.lost += lost
