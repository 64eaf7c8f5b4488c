"""udpping in a process of its own, by its public interface: `subject.py ROLE OPTIONS`, the options as JSON.

A server or monitor prints its port, and its counters when stdin ends. The others print one line of JSON.
"""

from __future__ import annotations

import json
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
    with udpping.Server(**{"port": 0} | options) as own:
        sys.stdout.write(f"{own.address[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()
        time.sleep(0.01)
        show(**own.counters.as_dict())


ROLES = {"server": server}

if __name__ == "__main__":
    ROLES[sys.argv[1]](json.loads(sys.argv[2]))
