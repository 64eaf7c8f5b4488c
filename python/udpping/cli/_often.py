"""Which clients have events so often that they are counted, and said or acted on once a minute."""

from collections import Counter, OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from udpping._results.rows import MonitorEvent

OFTEN, SPAN = 10, 600.0
"""A client with so many events within so many seconds has its further ones gathered, ..."""
CALMED = 60.0
"""... each time for so many seconds."""
CLIENTS = 4_096
"""Clients whose events are counted."""


class Often:
    """Counts the latest events of each client."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def add(self, client: str, now: float) -> int:
        """Count an event; return how many there were within the span before it, `OFTEN` at most."""
        times = [then for then in self._times.pop(client, []) if now - then < SPAN]
        self._times[client] = [*times, now][-OFTEN:]
        if len(self._times) > CLIENTS:
            self._times.popitem(last=False)
        return len(times)


class Damping:
    """Gathers the lines of clients that have very many, such as one that goes up and down all the time."""

    def __init__(self) -> None:
        self._often = Often()
        self._gathered: OrderedDict[str, Gathered] = OrderedDict()

    def add(self, event: "MonitorEvent", now: float) -> str | None:
        """Return what to print of an event now; `None` if it is gathered."""
        client = event.client
        if client is None or not event.is_notable:
            return event.message
        before = self._often.add(client, now)
        gathered = self._gathered.get(client)
        if gathered is not None:
            gathered.last = event
            gathered.kinds[event.event] += 1
            return None
        if before < OFTEN:
            return event.message
        self._gathered[client] = Gathered(now)
        return f"{event.message}; it has very many events: from now on they are told once a minute"

    def due(self, now: float, *, everything: bool = False) -> "Iterator[tuple[MonitorEvent, str]]":
        """Give the last event of each client whose minute is over, and what to print of that minute."""
        for client, gathered in list(self._gathered.items()):
            if not everything and now - gathered.since < CALMED:
                return
            del self._gathered[client]
            if gathered.last is not None:
                kinds = ", ".join(f"{count:,} {kind}" for kind, count in gathered.kinds.items())
                self._gathered[client] = Gathered(now)
                yield gathered.last, f"{client}: {kinds} within a minute; the last: {gathered.last.message}"


class Gathered:
    """The events of a client within a minute."""

    def __init__(self, since: float) -> None:
        self.since = since
        self.last: MonitorEvent | None = None
        self.kinds: Counter[str] = Counter()
