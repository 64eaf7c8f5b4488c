"""A mesh of eight network namespaces on a bridge: losses, delays, a link that is cut, a host that dies."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any, TypeAlias

import pytest
import udpping

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")

Told: TypeAlias = tuple[list[Any], list[Any], list[udpping.Host], list[list[list[str]]]]
"""The rows of a whole mesh and of a broken one, the hosts, and what explains both."""
OWN = ["unshare", "--net", "--mount"]
SCRIPT = """
import fcntl, json, os, signal, socket, struct, subprocess, sys, threading, time, udpping

COUNT, INTERVAL = 60, 0.08
NAMES = "abcdefgh"
LINKS = {("a", "b"): dict(up="loss=pattern:x."), ("c", "d"): dict(down="loss=pattern:...x"),
         ("e", "f"): dict(up="delay=30ms", down="delay=10ms")}

def run(*words):
    subprocess.run(words, check=True)

def received(host):
    with open(f"/proc/{pids[host]}/net/dev") as lines:
        return next(int(line.split()[2]) for line in lines if "eth0:" in line)

class Engine:
    # Relays stand between the hosts of some pairs; soon one link is cut and one host is killed.
    def __init__(self, hosts):
        self.inner, self.hosts, self.relays, self.began = hosts, hosts.hosts, [], False

    def call(self, host, name, args, timeout):
        if name == "begin":
            for peer in (peers := [list(peer) for peer in args["work"][1]]):
                if link := LINKS.get((host, peer[0])):
                    relay = udpping.Relay((peer[1], peer[2]), "10.78.0.100", **link)
                    relay.start()
                    self.relays.append(relay)
                    peer[1:3] = relay.address
            args = {**args, "work": [args["work"][0], peers, *args["work"][2:]]}
            if not self.began:
                self.began = True
                before = {name: received(name) for name in "gh"}
                threading.Thread(target=self.break_some, args=[before]).start()
        return self.inner.call(host, name, args, timeout)

    def break_some(self, before):
        for host, do in (("h", kill), ("g", cut)):
            # Some 7 pings and 7 replies in each interval.
            while received(host) < before[host] + 14 * COUNT // 6:
                time.sleep(0.01)
            do(host)

def cut(host):
    # A command would take its time on a busy machine.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        down = struct.pack("16sH14x", b"port%d" % NAMES.index(host), 0)
        fcntl.ioctl(own, 0x8914, down)  # SIOCSIFFLAGS

def kill(host):
    os.kill(pids[host], signal.SIGKILL)

# Without an address of its own a bridge takes that of a port, and loses it with the port when host h dies.
run("ip", "link", "add", "bridge0", "address", "02:00:00:00:00:01", "type", "bridge")
run("ip", "address", "add", "10.78.0.100/24", "dev", "bridge0")
run("ip", "link", "set", "bridge0", "up")
with udpping.LocalHosts({name: ["unshare", "--net"] for name in NAMES}) as hosts:
    pids = hosts.pids()
    for place, (name, pid) in enumerate(pids.items()):
        run("ip", "link", "add", f"port{place}", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        run("ip", "link", "set", f"port{place}", "master", "bridge0", "up")
        there = ["nsenter", f"--target={pid}", "--net"]
        run(*there, "ip", "address", "add", f"10.78.0.{place + 1}/24", "dev", "eth0")
        run(*there, "ip", "link", "set", "eth0", "up")
    whole = udpping.mesh(hosts, count=COUNT, interval=INTERVAL, timeout=4)
    mesh = udpping.mesh(Engine(hosts), count=COUNT, interval=INTERVAL, timeout=4, protocol="stamp")
    causes = [[(each.kind, *each.names) for each in mesh.explain()] for mesh in (whole, mesh)]
    rows = [[row._asdict() for row in each.rows] for each in (whole, mesh)]
    print(json.dumps([*rows, mesh.hosts, causes]))
"""


@pytest.fixture(scope="module")
def told() -> Told:
    own = OWN if os.geteuid() == 0 else [*OWN, "--user", "--map-root-user"]
    for name in ("unshare", "ip", "nsenter"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no namespaces")
    command = [*own, sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    whole, broken, hosts, causes = json.loads(done.stdout)
    rows = [[udpping.PairRow(**row) for row in each] for each in (whole, broken)]
    return rows[0], rows[1], [udpping.Host(*host) for host in hosts], causes


def test_a_network_without_faults_shows_none(told: Told) -> None:
    rows, _, hosts, _ = told
    assert len(rows) == 56
    assert [host.address for host in hosts] == [f"10.78.0.{number}" for number in range(1, 9)]
    for row in rows:
        assert (row.sent, row.received, row.lost_up, row.lost_down, row.error) == (60, 60, 0, 0, None)
        # All namespaces have one clock.
        assert row.offset_low_ns <= 0 <= row.offset_high_ns


def test_losses_and_delays_are_at_their_pairs_and_on_their_ways(told: Told) -> None:
    rows = {(row.source, row.target): row for row in told[1]}
    lossy = rows["a", "b"]
    assert (lossy.sent, lossy.received) == (60, 30)
    assert (lossy.lost_down, lossy.lost_up + lossy.lost_unknown) == (0, 30)
    lossy = rows["c", "d"]
    assert (lossy.sent, lossy.received) == (60, 45)
    # The number of the last reply, which was lost, is not known.
    assert (lossy.lost_up, lossy.lost_down, lossy.lost_unknown) == (0, 14, 1)
    slow = rows["e", "f"]
    assert slow.received == 60
    assert slow.rtt_min_ns >= 40_000_000
    # All clocks are one, but the mesh does not know: half of the round trip is its bound.
    assert slow.offset_low_ns <= 0 <= slow.offset_high_ns
    # The machine may add to what the relay takes.
    assert slow.up_p50_ns + slow.owd_error_ns >= 30_000_000
    assert slow.down_p50_ns + slow.owd_error_ns >= 10_000_000
    for way in (("b", "a"), ("d", "c"), ("f", "e")):
        assert (rows[way].received, rows[way].lost_up, rows[way].lost_down) == (60, 0, 0)
        assert rows[way].rtt_min_ns < 40_000_000


def test_a_cut_link_and_a_killed_host_cost_their_rows_alone(told: Told) -> None:
    for row in told[1]:
        if row.source == "h":
            assert (row.sent, row.error) == (0, "h: its process has ended (exit status -9)")
        elif "h" in (row.source, row.target) or "g" in (row.source, row.target):
            # A host may notice that it is cut off: its kernel sends no more.
            assert row.error is None or row.error.startswith("cannot send to 10.78.0.") == (row.source == "g")
            assert row.sent == 60
            assert 0 < row.received < 60
        elif (row.source, row.target) not in {("a", "b"), ("c", "d")}:
            assert (row.sent, row.received, row.error) == (60, 60, None)


def test_who_is_at_fault_is_named(told: Told) -> None:
    whole, broken = told[3]
    assert whole == [["none"]]
    assert sorted(cause for cause in broken if cause[0] == "host") == [["host", "g"], ["host", "h"]]
    assert ["pair", "a", "b"] in broken
