"""Relay: what a datagram costs, how much longer a round trip takes, how delays are kept, and many clients."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import CLIENT, Figure, Report, Server, ask, bare, quantile, subject, tool, wait_until
from others import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    Start = Callable[[int], AbstractContextManager[Server]]
    Starts = dict[str, Start]

NAME = "relay"
BASELINES = ["bare"]
CPU = "CPU per datagram"
ADDED = "added to the round trip p50"
LATE = "lateness of a delay of 1 ms at p50"
MEMORY = "memory per client"
LINK = "loss=1%; delay=1ms"
IMPAIRED = f"udpping, {LINK}"
DELAY_NS = 1_000_000
CASES: dict[str, dict[str, object]] = {"64 clients": {"flows": 64}, "one client's bursts": {"flows": 1}}
FEW, MANY = 64, 10_000
WARM_UP = 1_000
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
"""Debian's nginx loads it; others have it within."""
NGINX = """
{module}
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 20000; }}
stream {{ server {{ listen 127.0.0.1:{port} udp rcvbuf=4m; proxy_pass 127.0.0.1:{to}; proxy_timeout 10m; }} }}
"""


@contextlib.contextmanager
def nginx(to: int) -> Generator[Server]:
    """Start nginx with one process, as the others have."""
    port, load = free_port(), f"load_module {MODULE};" if MODULE.exists() else ""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(NGINX.format(module=load, folder=folder, port=port, to=to), encoding="utf-8")
        with Server("nginx", "-p", folder, "-e", "stderr", "-c", str(config), port=port) as server:
            yield server


def socat(to: int) -> Server:
    """Start socat for the one client that it can have in one process."""
    port = free_port()
    return Server("socat", f"UDP4-LISTEN:{port},bind=127.0.0.1", f"UDP4:127.0.0.1:{to}", port=port)


def ours(**link: object) -> Start:
    """Give what starts a relay of ours."""
    return lambda to: Server(*subject("relay", to=["127.0.0.1", to], **link))


def relays(report: Report, *, clients: int) -> Starts:
    """Give what starts each relay to a port."""
    found: Starts = {
        "bare": lambda to: Server(*bare("relay", to=f"127.0.0.1:{to}")),
        "udpping": ours(),
        IMPAIRED: ours(up=LINK, seed=1),
    }
    if tool("nginx", report):
        found["nginx stream"] = nginx
    if clients == 1 and tool("socat", report):
        found["socat"] = socat
    return found


def measure(report: Report) -> None:
    """Load all, then ask for round trips, then be very many clients."""
    for case, load in CASES.items():
        starts = relays(report, clients=int(str(load["flows"])))
        for turn, name in report.turns([*starts]):
            spent = loaded(report, case, name, starts[name], load | {"count": report.size(60_000, 3_000)})
            report.add(Figure(NAME, CPU, "us", case, name, turn, spent[0]))
    round_trips(report)
    starts = {
        name: start for name, start in relays(report, clients=MANY).items() if name in {"bare", "udpping"}
    }
    case = f"{report.size(MANY, 500):,} clients"
    for turn, name in report.turns([*starts]):
        load = {"flows": report.size(MANY, 500), "count": report.size(6 * MANY, 2_000)}
        spent = loaded(report, case, name, starts[name], load)
        report.add(Figure(NAME, CPU, "us", case, name, turn, spent[0]))
        if name == "udpping":  # the loop needs less than its first pages
            report.add(Figure(NAME, MEMORY, "bytes", case, name, turn, spent[1]))
    goals(report)


def loaded(report: Report, case: str, name: str, start: Start, load: dict[str, Any]) -> tuple[float, float]:
    """Load a fresh relay; give its CPU in us for each datagram that it took, and its bytes per client."""
    with Server(*bare("echo"), cores=CLIENT) as server, start(server.port) as relay:
        to = {"to": f"127.0.0.1:{relay.port}"}
        empty = relay.resident_bytes()
        # A few clients are known when the clock starts. That of socat is the first one, for ever.
        if name != "socat" and load["flows"] <= FEW:
            ask(*bare("load", **load | to | {"count": max(WARM_UP, load["flows"]), "burst": 32}))
        before = relay.settled_cpu_ns()
        seen = ask(*bare("load", **load | to))
        wait_until(lambda: relay.queued_bytes() == 0, "the datagrams to be taken")
        spent = relay.settled_cpu_ns() - before
        grown = relay.resident_bytes() - empty
        told = relay.told() if name.startswith("udpping") else None
    what = f"relay, {case}, {name}: {seen}, {told}"
    report.check(seen["sent"] == load["count"], what)
    report.check(seen["wrong"] == 0 and seen["duplicates"] == 0, what)
    if told is not None:
        up, down = told["up"], told["down"]
        report.check(not up["errors"] and not down["errors"] and not down["dropped"], what)
        report.check(up["received"] == up["dropped"] + up["sent"], what)
    expected = load["count"] * (0.99 if name == IMPAIRED else 1)
    report.check(abs(seen["replies"] - expected) <= 0.05 * load["count"], what)
    return spent / (seen["sent"] + seen["replies"]) / 1e3, grown / load["flows"]


def round_trips(report: Report) -> None:
    """Ask 500 times a second, directly and through each."""
    case = "500/s"
    starts = relays(report, clients=1)
    starts[IMPAIRED] = ours(up="delay=1ms")
    for number in range(report.rounds):
        took: dict[str, float] = {}
        with Server(*bare("echo"), cores=CLIENT) as server:
            took["direct"] = p50(report, server)
            for name, start in starts.items():
                with start(server.port) as relay:
                    took[name] = p50(report, relay)
        for name in (name for name in starts if name != IMPAIRED):
            report.add(Figure(NAME, ADDED, "us", case, name, number, (took[name] - took["direct"]) / 1e3))
        late = took[IMPAIRED] - took["udpping"] - DELAY_NS
        report.add(Figure(NAME, LATE, "us", case, "udpping", number, late / 1e3))


def p50(report: Report, server: Server) -> float:
    """Give the median round trip in ns."""
    count = report.size(1_000, 50)
    seen = ask(*bare("ping", to=f"127.0.0.1:{server.port}", count=count, interval_ns=2_000_000))
    report.check(
        seen["lost"] == 0 and len(seen["rtt_ns"]) == count, f"relay, round trips: {seen['lost']} lost"
    )
    return quantile(seen["rtt_ns"], 0.5)


def goals(report: Report) -> None:
    """Hold the figures against what was aimed at."""
    for case in CASES:
        report.aim(CPU, case, "udpping", "bare", 1.15)
        report.aim(CPU, case, IMPAIRED, "bare", 1.5)
    ours = report.values(ADDED, "500/s", "udpping")
    theirs = report.values(ADDED, "500/s", "nginx stream")
    more = [ours[number] - theirs[number] for number in ours if number in theirs]
    report.told(
        "added round trip at 500/s no more than nginx stream's",
        statistics.median(more) <= 0 if more else None,
        f"{statistics.median(more):.1f} us more" if more else "not measured",
    )
    late = statistics.median(report.values(LATE, "500/s", "udpping").values())
    report.told("delays kept within 100 us at p50", abs(late) <= 100, f"{late:.1f} us")  # noqa: PLR2004
