"""udpping in a process of its own, by its public interface: `subject.py ROLE OPTIONS`.

The options are JSON, `-` when they come through stdin.
A server or monitor prints its port, and its counters when stdin ends. The others print one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

import udpping


def show(**facts: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def server(options: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    with udpping.Server(port=0, **options) as own:
        sys.stdout.write(f"{own.address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        time.sleep(0.01)
        show(**own.counters.as_dict())


def ping(options: dict[str, Any]) -> None:
    """Ping, and give the columns that are compared, and the CPU that the run took."""
    first, spent = time.monotonic_ns(), time.process_time_ns()
    run = udpping.ping_many(**options) if "targets" in options else udpping.ping(**options)
    spent, took = time.process_time_ns() - spent, time.monotonic_ns() - first
    names = ("rtt_ns", "user_rtt_ns", "stamp", "due_ns", "sent_ns", "status")
    columns = {name: run[name].to_list() for name in names if name in run.column_names}
    show(summary=run.summary.as_dict(), cpu_ns=spent, took_ns=took, **columns)


def monitor(options: dict[str, Any]) -> None:
    """Watch until stdin ends."""
    with udpping.Monitor("127.0.0.1", 0, **options) as own:
        sys.stdout.write(f"{own.address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        show(**own.counters.as_dict(), peers=len(own.peers))


def results(options: dict[str, Any]) -> None:
    """Make a long run in virtual time, and use it as one does; seconds of CPU for each step."""
    took: dict[str, float] = {}
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    run = udpping.sim.ping(count=options["count"], loss="4/11", delay="exponential:20ms", seed=1)
    took["sim.ping"], began = time.process_time() - began, time.process_time()
    received = run.summary.received
    took["summary"], began = time.process_time() - began, time.process_time()
    rows = len(run)
    nulls = run["rtt_ns"].null_count
    took["column rtt_ns"] = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    show(rows=rows, received=received, nulls=nulls, seconds=took, grown_bytes=grown << 10)


ROLES = {"server": server, "ping": ping, "monitor": monitor, "results": results}

if __name__ == "__main__":
    ROLES[sys.argv[1]](json.loads(sys.stdin.read() if sys.argv[2] == "-" else sys.argv[2]))
