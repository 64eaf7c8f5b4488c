"""`mesh`: asks the hosts of an engine to ping each other, and puts together what they found."""

from concurrent.futures import wait
from contextlib import suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, cast

from udpping._args import checks
from udpping._args.durations import WAIT, seconds
from udpping._args.keywords import suggests_keywords
from udpping._args.options import TIMEOUT
from udpping._mesh._design import ALL, pairs
from udpping._mesh._engine import LOOPBACK
from udpping._mesh._frame import frame, measured
from udpping._mesh._measured import Measured
from udpping._mesh._rows import Host, Pair, PairRow
from udpping._mesh._worker import VERSION
from udpping._services.session import Session
from udpping.errors import ConfigError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from typing import Literal, TypeAlias

    from udpping import stats
    from udpping._args.durations import Duration
    from udpping._mesh._engine import Engine

    Peers: TypeAlias = Literal["all"] | int
    Where: TypeAlias = "str | Mapping[str, str] | Callable[[str], str] | None"
    Results: TypeAlias = "dict[str, Any]"
    """What each host answered, or the exception of its call."""

COUNT = 60
INTERVAL = 1.0
CALL = 5.0
"""Seconds for a call while others wait for its answer."""
JOIN = 20.0
"""Seconds for the first calls."""
AGAIN = 2.0
"""Seconds for a call to a host that was not heard before."""
PATIENCE = 5.0
"""Seconds that a host may be behind with its pings."""
LEAD, LEAD_EACH = 0.1, 0.004
"""Seconds from the first call to the first ping, and more for each host."""
LEASE = 60.0
"""Seconds without a call, beyond a round, after which a host closes its server."""
SLICE = 0.25
"""Seconds until Ctrl-C that came to another thread, or just before a wait began, ends that wait."""
MOST_ROUNDS = 10**9


class Plan:
    """The checked arguments of a mesh."""

    def __init__(
        self,
        client: object,
        *,
        count: int,
        interval: "Duration",
        timeout: "Duration",
        peers: "Peers",
        rounds: int | None,
        address: "Where",
        protocol: str,
        one_per_address: bool,
        groups: "Mapping[str, str] | Callable[[Host], str] | None",
        flows: int,
        size: int | None,
        seed: int,
    ) -> None:
        self.count = at_least_one("count", count, 1_000_000)
        self.interval = seconds("interval", interval, WAIT)
        self.timeout = seconds("timeout", timeout, WAIT)
        self.peers: Peers = peers
        self.rounds = None if rounds is None else at_least_one("rounds", rounds, MOST_ROUNDS)
        self.address, self.groups = address, groups
        # Servers of a mesh tell their times.
        self.protocol = "text:times" if protocol == "text" else protocol
        self.one_per_address = checks.flag("one_per_address", one_per_address)
        self.flows = at_least_one("flows", flows, 64)
        self.size = size
        self.seed = checks.whole("seed", seed)
        self.span = self.count * self.interval + self.timeout
        """Seconds of one round, at most."""
        names = ("count", "interval", "timeout", "size", "protocol")
        with suppress(NetworkError):
            # It refuses what hosts could not use.
            Session([(LOOPBACK, 1)], {name: getattr(self, name) for name in names})
        self.engine, self.close = engine_of(client)


def at_least_one(name: str, value: object, most: int) -> int:
    number = checks.whole(name, value)
    if not 1 <= number <= most:
        raise checks.refuse(name, value, f"a whole number from 1 to {most:,}")
    return number


def engine_of(client: object) -> "tuple[Engine, Callable[[], None]]":
    """Give the engine for what a user has, and what ends it."""
    if callable(getattr(client, "hosts", None)) and callable(getattr(client, "call", None)):
        return cast("Engine", client), lambda: None
    home = type(client).__module__.partition(".")[0]
    if isinstance(client, str) or home == "distributed":
        from udpping._mesh._dask import DaskHosts

        engine = DaskHosts(client)
        return engine, engine.stop
    expected = "a Client of Dask, the address of its scheduler such as 'tcp://10.0.0.1:8786', or LocalHosts"
    raise checks.refuse("client", client, expected)


class Mesh(Measured):
    """What the hosts of a mesh measured to each other; `mesh` makes one, and `Mesh.watch` one after another.

    >>> import udpping
    >>> with udpping.LocalHosts(3) as hosts:
    ...     mesh = udpping.mesh(hosts, count=2, interval=0.01)
    >>> mesh
    <udpping.Mesh: 3 hosts, 6 of 6 pairs measured, 0 of 12 pings lost>
    >>> sorted((row.source, row.target) for row in mesh.rows)[:2]
    [('0', '1'), ('0', '2')]
    """

    def __init__(
        self,
        rows: "Iterable[PairRow]",
        hosts: "list[Host]",
        digests: "Mapping[tuple[str, str], stats.Digest]",
    ) -> None:
        self.rows = frame(rows)
        """A row for each pair, round and source port: the same table as `frame`."""
        self.hosts = hosts
        """The hosts, those that were not heard from as well."""
        self._digests = digests

    @property
    def coverage(self) -> float:
        """The share of all directed pairs that have a result, from 0 to 1."""
        pairs = len(self.hosts) * (len(self.hosts) - 1)
        return self._measured() / pairs

    def _measured(self) -> int:
        return measured(self.rows, self.hosts)

    def digest(self, source: str | None = None, target: str | None = None) -> "stats.Digest":
        """Give the statistics of the pings of all rounds so far; of one source or target, or of all.

        Only `Mesh.watch` keeps them. With more than 100 hosts they are kept for each source, not for each
        pair. Raises ConfigError where none are kept.

        >>> import udpping
        >>> with udpping.LocalHosts(2) as hosts:
        ...     for mesh in udpping.Mesh.watch(hosts, count=2, interval=0.01, rounds=2):
        ...         print(mesh.digest(source="0").loss().sent)
        2
        4
        """
        from udpping import stats

        chosen = [
            digest
            for (one, other), digest in self._digests.items()
            if source in (None, one) and target in (None, other)
        ]
        if not chosen:
            raise ConfigError("there are no such digests: Mesh.watch keeps them, for hosts that were heard")
        total = stats.Digest()
        for digest in chosen:
            total |= digest
        return total

    @staticmethod
    def watch(
        client: object,
        *,
        count: int = COUNT,
        interval: "Duration" = INTERVAL,
        timeout: "Duration" = TIMEOUT,
        peers: "Peers" = "all",
        rounds: int | None = None,
        address: "Where" = None,
        protocol: str = "text",
        one_per_address: bool = False,
        groups: "Mapping[str, str] | Callable[[Host], str] | None" = None,
        flows: int = 1,
        size: int | None = None,
        seed: int = 0,
    ) -> "Iterator[Mesh]":
        """Measure round after round, without an end unless `rounds` says how many, in bounded memory.

        It yields a mesh after each round, with the rows of that round, and digests of all rounds so far. A
        host that was not heard from is asked again in each round, and a worker that came back takes part
        again. The arguments and errors are those of `mesh`. Servers close when the iteration ends.

        >>> import udpping
        >>> with udpping.LocalHosts(2) as hosts:
        ...     for mesh in udpping.Mesh.watch(hosts, count=2, interval=0.01):
        ...         if mesh.rows[0].round == 2:
        ...             break
        >>> mesh.digest().loss().sent
        12
        """
        plan = Plan(
            client,
            count=count,
            interval=interval,
            timeout=timeout,
            peers=peers,
            rounds=rounds,
            address=address,
            protocol=protocol,
            one_per_address=one_per_address,
            groups=groups,
            flows=flows,
            size=size,
            seed=seed,
        )
        return watched(plan)

    def __repr__(self) -> str:
        sent = sum(row.sent for row in self.rows)
        lost = sent - sum(row.received for row in self.rows)
        pairs = len(self.hosts) * (len(self.hosts) - 1)
        silent = len({row.error for row in self.rows if row.error})
        parts = [
            f"{len(self.hosts):,} hosts",
            f"{self._measured():,} of {pairs:,} pairs measured",
            f"{lost:,} of {sent:,} pings lost",
            *([f"{silent:,} errors"] if silent else []),
        ]
        return f"<udpping.Mesh: {', '.join(parts)}>"


@suggests_keywords
def mesh(
    client: object,
    *,
    count: int = COUNT,
    interval: "Duration" = INTERVAL,
    timeout: "Duration" = TIMEOUT,
    peers: "Peers" = "all",
    rounds: int = 1,
    address: "Where" = None,
    protocol: str = "text",
    one_per_address: bool = False,
    groups: "Mapping[str, str] | Callable[[Host], str] | None" = None,
    flows: int = 1,
    size: int | None = None,
    seed: int = 0,
) -> Mesh:
    """Measure the paths between all hosts of a cluster: each pings the others, at the same time.

    Each host opens a server at a free port. Then each pings the servers of the others. What a host does runs
    beside the work of a cluster: it takes no slot of a task. A host that dies, stops or is cut off costs its
    own results; the run goes on.

    * `client`: a `Client` of Dask, the address of a Dask scheduler (`"tcp://10.0.0.1:8786"`), or
      `LocalHosts`. Anything else that has the methods `hosts` and `call` of an engine is taken, too.
    * `count`, `interval`, `timeout`, `size`: those of the pings of each pair in a round, as in `ping`
      (default: 60 pings, one each second, with a timeout of 1 s).
    * `peers`: how many others each host pings in a round. `"all"` (the default) is all with up to 100 hosts,
      and 32 with more. In each round they are others, until each host has pinged all: see `mesh.coverage`.
    * `rounds`: how many rounds, from 1.
    * `address`: where the others reach a host, if not at the address that the engine knows it by. It is the
      name of an interface (`"eth1"`), a mapping from the names of hosts, or a function of a name; each gives
      an IP address or an interface.
    * `protocol`: `"text"` for lines of text, or `"stamp"` for test packets of STAMP. Replies of both are
      numbered and carry times, so rows tell one-way delays, offsets of clocks, and on which way packets were
      lost. With `"text:times,follow-up"` or `"stamp:follow-up"` the kernels of all hosts tell when replies
      leave.
    * `one_per_address`: whether only the first of several workers with the same address is a host.
    * `groups`: the rack or site of each host: a mapping from names, or a function of a `Host`; `None` takes
      the address, so that the workers of one machine are a group.
    * `flows`: how many source ports each host pings from, 1 to 64. Networks with several paths choose one by
      ports; with more than one, each port has its own row.
    * `seed`: any whole number; it chooses the peers of a round, if not all are.

    Hosts start at the same time, and spread their pings over the interval, so that no host gets many at once.

    Raises ConfigError for an invalid argument, for fewer than two hosts, and for hosts with another Python or
    udpping than this one; NetworkError if no host answers. A pair without results has a row with an `error`.

    >>> import udpping
    >>> with udpping.LocalHosts(3) as hosts:
    ...     mesh = udpping.mesh(hosts, count=3, interval=0.02)
    >>> len(mesh.rows), {row.received for row in mesh.rows}, mesh.coverage
    (6, {3}, 1.0)
    """
    plan = Plan(
        client,
        count=count,
        interval=interval,
        timeout=timeout,
        peers=peers,
        rounds=rounds,
        address=address,
        protocol=protocol,
        one_per_address=one_per_address,
        groups=groups,
        flows=flows,
        size=size,
        seed=seed,
    )
    # As a table, as rows of Python are three times as large.
    rows = frame([])
    hosts: list[Host] = []
    conductor = Conductor(plan)
    try:
        for found in conductor.rounds(plan.rounds or 1):
            rows = frame(found, rows)
        hosts = conductor.hosts
    finally:
        conductor.finish()
    return Mesh(rows, hosts, {})


def watched(plan: Plan) -> "Iterator[Mesh]":
    """Yield a mesh after each round; digests are merged."""
    conductor = Conductor(plan, watches=True)
    try:
        for rows in conductor.rounds(plan.rounds):
            yield Mesh(rows, list(conductor.hosts), dict(conductor.digests))
    finally:
        conductor.finish()


class Conductor:
    """Leads the hosts through the rounds."""

    def __init__(self, plan: Plan, *, watches: bool = False) -> None:
        from secrets import token_hex

        self.plan, self.watches = plan, watches
        self.name = token_hex(8)
        self.lease = plan.span + LEASE
        self.hosts: list[Host] = []
        self.ports: dict[str, int] = {}
        self.errors: dict[str, str] = {}
        """Why a host is not there."""
        self.digests: dict[tuple[str, str], stats.Digest] = {}

    def rounds(self, count: int | None) -> "Iterator[list[PairRow]]":
        """Find the hosts, and yield the rows of each round."""
        self._find()
        designs = pairs(len(self.hosts), self.plan.peers, count or MOST_ROUNDS, self.plan.seed)
        for number, design in enumerate(designs):
            yield self._round(number, design)

    def _find(self) -> None:
        """Ask all hosts who they are, and open their servers."""
        known = dict(self.plan.engine.hosts())
        if self.plan.one_per_address:
            known = {
                name: address
                for place, (name, address) in enumerate(known.items())
                if not address or address not in list(known.values())[:place]
            }
        if len(known) < 2:  # noqa: PLR2004 - a pair
            raise ConfigError(f"a mesh needs 2 hosts or more: the engine has {len(known)}")
        facts = self.ask(dict.fromkeys(known, ("about", {})), JOIN)
        self._refuse_others(facts)
        wanted = {name: place_of(self.plan.address, name, address) for name, address in known.items()}
        heard = {name: address for name, address in wanted.items() if not isinstance(facts[name], Exception)}
        addresses = self._open(heard, JOIN)
        for name, wanted_address in wanted.items():
            host = Host(name, addresses.get(name, wanted_address), "")
            self.hosts.append(host._replace(group=group_of(self.plan.groups, host)))
        if not self.ports:
            name, error = next(iter(self.errors.items()))
            raise NetworkError(f"none of {len(known)} hosts takes part: {name}: {error}")

    def _refuse_others(self, found: "Results") -> None:
        """Refuse a cluster with another Python or udpping; note hosts that were not heard from."""
        import udpping

        ours = {"python": VERSION, "udpping": udpping.__version__}
        for name, facts in found.items():
            if isinstance(facts, ConfigError):
                raise ConfigError(f"host {name}: {facts}")
            if isinstance(facts, Exception):
                self.lose(name, facts)
                continue
            for what, version in ours.items():
                if facts[what] != version:
                    raise ConfigError(
                        f"host {name} has {what} {facts[what]}, and this program {version}: install the same"
                        " version on all"
                    )

    def _open(self, wanted: "Mapping[str, str]", timeout: float) -> "dict[str, str]":
        """Open the servers of hosts; give their addresses, and note who failed."""
        args = {"protocol": self.plan.protocol, "lease": self.lease}
        calls = {name: ("prepare", {**args, "address": address}) for name, address in wanted.items()}
        addresses: dict[str, str] = {}
        for name, found in self.ask(calls, timeout).items():
            if isinstance(found, Exception):
                self.lose(name, found)
            else:
                addresses[name], self.ports[name] = found
                self.errors.pop(name, None)
        return addresses

    def _round(self, number: int, design: "Sequence[Pair]") -> "list[PairRow]":
        """Let all hosts ping; give the rows of all."""
        if number:
            self._open_again()
        plan, names = self.plan, [host.name for host in self.hosts]
        peers: dict[str, list[tuple[str, str, int, float]]] = {name: [] for name in self.ports}
        planned: dict[str, list[str]] = {name: [] for name in names}
        for pair in design:
            source, target = names[pair.source], names[pair.target]
            planned[source].append(target)
            if source in self.ports and target in self.ports:
                place = (target, self.hosts[pair.target].address, self.ports[target], pair.phase)
                peers[source].append(place)
        start = monotonic() + LEAD + LEAD_EACH * len(names)
        digests = ("pair" if len(names) <= ALL else "source") if self.watches else ""
        what = (plan.count, plan.interval, plan.timeout, plan.size, plan.flows, digests)
        calls = {
            # The clocks of hosts may differ, so each is told how long to wait.
            name: ("begin", {"work": (number, peers[name], start - monotonic(), *what)})
            for name in peers
        }
        pings = plan.count * plan.interval
        for name, found in self.ask(calls, max(CALL, pings)).items():
            if isinstance(found, Exception):
                self.lose(name, found)
        while (left := start + pings - monotonic()) > 0:
            sleep(min(left, SLICE))
        patience = plan.timeout + PATIENCE
        asked = dict.fromkeys(self.ports, ("collect", {"patience": patience}))
        answers = self.ask(asked, patience + PATIENCE)
        for name, found in answers.items():
            if isinstance(found, Exception):
                self.lose(name, found)
        return [row for name in names for row in self._rows(number, name, planned[name], answers.get(name))]

    def _open_again(self) -> None:
        """Ask those who were not heard from once more: a worker may have been started again."""
        lost = {host.name: host.address for host in self.hosts if host.name not in self.ports}
        if lost:
            known = self.plan.engine.hosts()
            found = self._open({name: address for name, address in lost.items() if name in known}, AGAIN)
            self.hosts = [host._replace(address=found.get(host.name, host.address)) for host in self.hosts]

    def _rows(self, number: int, source: str, targets: "list[str]", answer: object) -> "Iterator[PairRow]":
        groups = {host.name: host.group for host in self.hosts}
        found: dict[str, list[list[Any]]] = {}
        error = self.errors.get(source)
        if isinstance(answer, dict):
            facts = cast("dict[str, Any]", answer)
            error = facts["error"]
            for target, *values in facts["rows"]:
                found.setdefault(target, []).append(values)
            for target, text in facts["digests"].items():
                self._merge((source, target), text)
        for target in targets:
            begin = (number, source, target, groups[source], groups[target])
            for *values, problem in found.get(target, ()):
                yield PairRow._make((*begin, *values, problem or error))
            if target not in found:
                who = source if error else target
                why = f"{who}: {error or self.errors.get(target) or 'was not heard from'}"
                yield PairRow._make((*begin, None, 0, 0, 0, 0, *[None] * 13, why))

    def _merge(self, key: "tuple[str, str]", text: str) -> None:
        from udpping import stats

        digest = stats.Digest.from_json(text)
        self.digests[key] = self.digests[key] | digest if key in self.digests else digest

    def lose(self, name: str, error: Exception) -> None:
        """Go on without a host."""
        timed_out = isinstance(error, TimeoutError)
        self.errors[name] = "did not answer in time" if timed_out else str(error) or type(error).__name__
        self.ports.pop(name, None)

    def ask(self, calls: "Mapping[str, tuple[str, dict[str, Any]]]", timeout: float) -> "Results":
        """Call hosts at the same time; give the answer of each, or its exception."""
        futures: dict[str, Future[Any]] = {
            # Several workers of Dask may run in one process.
            name: self.plan.engine.call(name, call, {"mesh": f"{self.name} {name}", **args}, timeout)
            for name, (call, args) in calls.items()
        }
        end = monotonic() + timeout + 1
        while (left := end - monotonic()) > 0 and wait(futures.values(), min(left, SLICE)).not_done:
            pass
        results: Results = {}
        for name, future in futures.items():
            future.cancel()
            if not future.done() or future.cancelled():
                results[name] = TimeoutError()
            else:
                results[name] = future.exception() or future.result()
        return results

    def finish(self) -> None:
        """Close the servers, and the engine if it was made here."""
        try:
            self.ask(dict.fromkeys(self.ports, ("finish", {})), AGAIN)
        finally:
            self.plan.close()


def place_of(wanted: "Where", name: str, known: str) -> str:
    """Give the address or interface of a host."""
    if wanted is None:
        return known
    if isinstance(wanted, str):
        return checks.text("address", wanted)
    found = wanted(name) if callable(wanted) else wanted.get(name, known)
    return checks.text(f"address of {name}", found)


def group_of(groups: "Mapping[str, str] | Callable[[Host], str] | None", host: Host) -> str:
    """Give the group of a host."""
    if groups is None:
        return host.address
    return checks.text("group", groups(host) if callable(groups) else groups.get(host.name, host.address))
