"""Break, measure and watch UDP paths.

>>> import udpping
>>> with udpping.Server(port=0, loss="pattern:.xx.", seed=1) as server:
...     run = udpping.ping(*server.address, count=4, timeout=1.5)
>>> run.summary.sent, run.summary.received, run.summary.lost
(4, 2, 2)

`Server` answers datagrams and loses or delays some on purpose; a `Relay` does so between any two programs.
`ping`, `Pinger` and `ping_many` measure round trips and losses; `aio` has the same for asyncio and `sim` in
virtual time. `loss` and `delay` hold the models a server can follow, and `fit` finds those of a measured
path; a `Link` is all that a path does.
`Reflector` answers STAMP's test packets with its own times, so that a round trip is without its work.
`Heartbeat` says that a program is alive, and `compare_detectors` shows how the failure detectors of `detect`
do on a path. `mesh` measures between all hosts of a cluster. `stats` turns a run, or any
table of pings, into numbers with a standard behind each; `theory` says what chance does to pings, exactly.
`testing` has a far end for the tests of UDP clients, which does as it is told. `errors` has everything that
is raised. Every result is a table.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping import aio, delay, detect, errors, loss, sim, stats, testing, theory
    from udpping._args.link import Link
    from udpping._args.path import path
    from udpping._args.targets import Target
    from udpping._figures.fit import DelayFit, Fit, LossFit, fit
    from udpping._figures.steady import Segment, Steadiness
    from udpping._files.load import load
    from udpping._live import live
    from udpping._mesh._engine import LocalHosts
    from udpping._mesh._finding import Finding
    from udpping._mesh._frame import Matrix, Pairs
    from udpping._mesh._offsets import Contradiction, HostOffset, Offsets
    from udpping._mesh._rows import Host, PairRow
    from udpping._mesh._run import Mesh, mesh
    from udpping._results.compare import Compared, compare
    from udpping._results.detectors import Comparison, DetectorRow, compare_detectors
    from udpping._results.rows import (
        Achieved,
        Event,
        LogRow,
        MonitorEvent,
        PeerRow,
        RelayEvent,
        RelayRow,
        Row,
        TargetEvent,
    )
    from udpping._results.run import Run, SimRun, Summary
    from udpping._results.ways import Ways
    from udpping._services.heartbeat import Heartbeat
    from udpping._services.monitor import Events, Monitor, MonitorCounters, Peers
    from udpping._services.ping import Pinger, ping, ping_many
    from udpping._services.reflector import Reflector, ReflectorCounters
    from udpping._services.relay import Relay, RelayCounters, RelayLog, WayCounters
    from udpping._services.server import Counters, Log, Server
    from udpping._table.table import Table
    from udpping.errors import (
        AddressError,
        AmplificationWarning,
        ConfigError,
        Interrupted,
        NetemWarning,
        NetworkError,
        PortBusyError,
        UdppingError,
    )

    __version__: str

__all__ = [
    "Achieved",
    "AddressError",
    "AmplificationWarning",
    "Compared",
    "Comparison",
    "ConfigError",
    "Contradiction",
    "Counters",
    "DelayFit",
    "DetectorRow",
    "Event",
    "Events",
    "Finding",
    "Fit",
    "Heartbeat",
    "Host",
    "HostOffset",
    "Interrupted",
    "Link",
    "LocalHosts",
    "Log",
    "LogRow",
    "LossFit",
    "Matrix",
    "Mesh",
    "Monitor",
    "MonitorCounters",
    "MonitorEvent",
    "NetemWarning",
    "NetworkError",
    "Offsets",
    "PairRow",
    "Pairs",
    "PeerRow",
    "Peers",
    "Pinger",
    "PortBusyError",
    "Reflector",
    "ReflectorCounters",
    "Relay",
    "RelayCounters",
    "RelayEvent",
    "RelayLog",
    "RelayRow",
    "Row",
    "Run",
    "Segment",
    "Server",
    "SimRun",
    "Steadiness",
    "Summary",
    "Table",
    "Target",
    "TargetEvent",
    "UdppingError",
    "WayCounters",
    "Ways",
    "__version__",
    "aio",
    "compare",
    "compare_detectors",
    "delay",
    "detect",
    "errors",
    "fit",
    "last_run",
    "live",
    "load",
    "loss",
    "mesh",
    "path",
    "ping",
    "ping_many",
    "sim",
    "stats",
    "testing",
    "theory",
]

last_run: "Run | None" = None
"""What the last `ping`, `ping_many`, `Pinger` or `live` that Ctrl-C ended had measured; `None` before."""

if not TYPE_CHECKING:
    # Nothing is imported before it is used, so that `import udpping` costs next to nothing.
    _HOME = {
        **dict.fromkeys(("Compared", "compare"), "_results.compare"),
        **dict.fromkeys(("Comparison", "DetectorRow", "compare_detectors"), "_results.detectors"),
        **dict.fromkeys(("DelayFit", "Fit", "LossFit", "fit"), "_figures.fit"),
        **dict.fromkeys(("Segment", "Steadiness"), "_figures.steady"),
        "Heartbeat": "_services.heartbeat",
        "Link": "_args.link",
        "path": "_args.path",
        **dict.fromkeys(("Pinger", "ping", "ping_many"), "_services.ping"),
        "live": "_live",
        "load": "_files.load",
        "LocalHosts": "_mesh._engine",
        "Finding": "_mesh._finding",
        **dict.fromkeys(("Matrix", "Pairs"), "_mesh._frame"),
        **dict.fromkeys(("Contradiction", "HostOffset", "Offsets"), "_mesh._offsets"),
        **dict.fromkeys(("Host", "PairRow"), "_mesh._rows"),
        **dict.fromkeys(("Mesh", "mesh"), "_mesh._run"),
        **dict.fromkeys(("Events", "Monitor", "MonitorCounters", "Peers"), "_services.monitor"),
        **dict.fromkeys(
            (
                *("Achieved", "Event", "LogRow", "MonitorEvent", "PeerRow", "RelayEvent", "RelayRow", "Row"),
                "TargetEvent",
            ),
            "_results.rows",
        ),
        **dict.fromkeys(("Run", "SimRun", "Summary"), "_results.run"),
        "Ways": "_results.ways",
        **dict.fromkeys(("Reflector", "ReflectorCounters"), "_services.reflector"),
        **dict.fromkeys(("Counters", "Log", "Server"), "_services.server"),
        **dict.fromkeys(("Relay", "RelayCounters", "RelayLog", "WayCounters"), "_services.relay"),
        "Table": "_table.table",
        "Target": "_args.targets",
        **dict.fromkeys(
            (name for name in __all__ if name.endswith(("Error", "Warning", "Interrupted"))), "errors"
        ),
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in _HOME:
            value = getattr(import_module(f"udpping.{_HOME[name]}"), name)
        elif name == "__version__":
            value = import_module("importlib.metadata").version("udpping")
        elif name in __all__:
            return import_module(f"udpping.{name}")
        else:
            raise AttributeError(f"module 'udpping' has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __all__
