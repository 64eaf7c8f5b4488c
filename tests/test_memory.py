"""A number that asks for more memory than there is gets a MemoryError: it never ends the interpreter."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="limits of memory that hold are Linux's"),
    # To fill memory again and again takes long on a busy machine.
    pytest.mark.timeout(520),
]

PROGRAM = """
import resource
import udpping
{prepare}

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

def attempt():
    {call}

attempts = {{"done": 0, "MemoryError": 0}}
for more in {limits}:
    resource.setrlimit(resource.RLIMIT_AS, (held() + (more << 20), resource.RLIM_INFINITY))
    try:
        attempt()
        attempts["done"] += 1
    except MemoryError:
        attempts["MemoryError"] += 1
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(attempts["MemoryError"], attempts["done"])
"""


def attempts(
    call: str, prepare: str = "", limits: str = "range(8, 400, 24)", shown: Sequence[str] = ()
) -> tuple[int, int]:
    """Call with ever more memory; return how often that was too little and how often enough."""
    program = PROGRAM.format(call=call.replace("\n", "\n    "), prepare=prepare, limits=limits)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    *told, short, enough = done.stdout.split()
    assert told == [*shown]
    return int(short), int(enough)


ENDLESS = {
    "sim.ping": "udpping.sim.ping(count=20_000_000)",
    "sim.ping, many in flight": (
        "udpping.sim.ping(count=20_000_000, interval=1e-6, timeout='2m', delay='1m', linger=0)"
    ),
    "sim.ping, long messages in flight": (
        "udpping.sim.ping(count=2_000_000, interval=1e-6, timeout='2m', delay='1m', size=60_000)"
    ),
    "sim.heartbeat, many senders": "udpping.sim.heartbeat(1_000_000, interval='1d', duration='1d')",
    "sim.heartbeat, many events": "udpping.sim.heartbeat(1_000, interval='1m', beats=True, duration='30d')",
    "a long list of losses": "udpping.sim.ping(count=1, loss='list:' + '1,' * 40_000_000 + '1')",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_number_that_asks_for_too_much_is_a_memory_error(name: str) -> None:
    short, enough = attempts(ENDLESS[name], limits="(90, 200)")
    assert (short, enough) == (2, 0)


PREPARED = """
from udpping import stats
run = udpping.sim.ping(count=150_000, loss="10%", delay="uniform:1ms,60ms", interval=0.01, seed=1)
csv, lines = run.to_csv(), run.to_json()
import pickle
pickled = pickle.dumps(run)
run = udpping.load(csv)
fresh = lambda: pickle.loads(pickled)
"""
TABLES = {
    "load csv": "udpping.load(csv)",
    "load json": "udpping.load(lines)",
    "pickle": "pickle.loads(pickle.dumps(run))",
    "csv": "run.to_csv()",
    "json": "run.to_json()",
    "list": "run['rtt_ns'].to_list()",
    "equality": "run == fresh()",
    "fit": "udpping.fit(run)",
    "statistics": "stats.round_trip(run); stats.ipdv(run); stats.loss(run); stats.jitter(run)",
    "rolling": "stats.rolling(run, pings=100, step=10)",
    "digest": "stats.Digest(run)",
    "picture": "fresh()._repr_html_()",
    "summary": "udpping.load(csv).summary",
}


@pytest.mark.parametrize("name", TABLES)
def test_what_is_made_of_many_rows_is_a_memory_error_or_done(name: str) -> None:
    if name == "fit":  # the search for a model takes its time
        short, enough = attempts(TABLES[name], PREPARED.replace("150_000", "20_000"), "(8, 60, 4_000)")
    else:
        short, enough = attempts(TABLES[name], PREPARED, "[*range(8, 130, 15), 200, 4_000]")
    assert short > 0
    assert enough > 0


PINGS = {
    "ping": "udpping.ping(*server.address, count=10_000_000, interval=1e-6, timeout=0.1)",
    "ping_many": "udpping.ping_many([server], count=10_000_000, interval=1e-6, timeout=0.1)",
}


@pytest.mark.parametrize("name", PINGS)
def test_pings_end_with_a_memory_error(name: str) -> None:
    prepare = 'server = udpping.Server(port=0, loss="9/10")\nserver.start()'
    assert attempts(PINGS[name], prepare, "(100, 120)") == (2, 0)


LOG = """
import socket

server = udpping.Server(port=0, record=True)
server.start()
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(20)
client.connect(server.address)

def ask(number):
    client.send(b"Ping %d" % number)
    return client.recv(100)
"""


def test_a_log_without_memory_counts_what_it_lacks_and_goes_on_when_there_is_some() -> None:
    ask = (
        "assert [ask(number) for number in (1, 2)] == [b'PING 1', b'PING 2']\nprint(server.counters.unlogged)"
    )
    program = f"{ask}\nif more > 64:\n    assert [row.seq for row in server.log] == [1, 2]"
    short, enough = attempts(program, LOG, "(32, 400)", shown=["2", "2"])
    assert (short, enough) == (0, 2)
