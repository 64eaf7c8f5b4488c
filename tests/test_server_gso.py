"""A drop behind the server takes each reply by itself, unless `gso=True` joins them."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GSO is Linux's")

TRAINS, LENGTH, KEPT = 300, 10, 0.9

OWN = ["unshare", "--net", "--mount"]
"""A network and mounts of its own; within a user of its own unless root asks."""

COMMON = """
import array, fcntl, json, socket, struct, subprocess, sys, udpping

def ethtool(device, command, value):
    words = array.array("I", [command, value])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8946, struct.pack("16sP16x", device, words.buffer_info()[0]))  # SIOCETHTOOL
"""

SERVER = """
def merge_received():
    ethtool(b"v1", 0x2C, 1)  # ETHTOOL_SGRO
    # The kernel waits for more to merge.
    subprocess.run(["mount", "-t", "sysfs", "sysfs", "/sys"], check=True)
    for name, number in (("gro_flush_timeout", 2_000_000), ("napi_defer_hard_irqs", 1)):
        with open(f"/sys/class/net/v1/{name}", "w") as file:
            file.write(str(number))

def numbers(file, start):
    with open(file) as lines:
        return [line.split() for line in lines if line.strip().startswith(start)][-1]

print("here", flush=True)
options = json.loads(sys.stdin.readline())
if options.pop("gro"):
    merge_received()
with udpping.Server("10.9.0.2", 0, record=True, **options) as server:
    print(server.bound[1], flush=True)
    sys.stdin.read()
    received = int(numbers("/proc/net/snmp", "Ip:")[3])
    sent = int(numbers("/proc/net/dev", "v1:")[10])
    seqs = [row.seq for row in server.log]
    print(json.dumps({**server.counters.as_dict(), "seqs": seqs, "buffers": received, "packets": sent}))
"""

# The classic BPF drops each IPv4 packet of UDP with a chance of 0.1: a batch is one packet there.
CLIENT = """
script, options, count, size = sys.argv[1], *map(json.loads, sys.argv[2:])

def run(*command):
    subprocess.run(command, check=True)

far = subprocess.Popen(["unshare", "--net", "--mount", sys.executable, "-c", script],
                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
assert far.stdout.readline() == "here\\n"
there = ["nsenter", f"--target={far.pid}", "--net"]
run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", str(far.pid))
for where, name, address in (([], "v0", "10.9.0.1/24"), (there, "v1", "10.9.0.2/24")):
    run(*where, "ip", "address", "add", address, "dev", name)
    run(*where, "ip", "link", "set", name, "up")
run(*there, "tc", "qdisc", "add", "dev", "v1", "clsact")
drop = "6,48 0 0 23,21 0 3 17,32 0 0 4294963256,53 1 0 429496730,6 0 0 2,6 0 0 0"
run(*there, "tc", "filter", "add", "dev", "v1", "egress", "bpf", "direct-action", "bytecode", drop)
if options["gro"]:
    ethtool(b"v0", 0x1F, 0)  # ETHTOOL_STSO: where the sender has it, a veth merges nothing.
far.stdin.write(json.dumps(options) + "\\n")
far.stdin.flush()
port = int(far.stdout.readline())
pings = udpping.ping("10.9.0.2", port, count=count * size, interval=0.002, schedule=f"train:{size}",
                     first_seq=0, size=64)
print(json.dumps({
    **json.loads(far.communicate()[0]),
    "replied": [row.seq for row in pings if row.copies],
    "full": pings.summary.kernel_drops,
}))
"""


@dataclass(frozen=True)
class Outcome:
    """What was measured behind a veth that drops a tenth of all packets."""

    answered: int
    buffers: int
    """What the server's machine received, in buffers of one datagram or several."""
    packets: int
    """What it sent, those that were dropped not among them."""
    replies: int
    trains: int
    """Trains that the server answered in full."""
    whole: int
    """Those of which no reply was lost."""

    def most_whole(self, chance: float) -> int:
        """Return the number of them that independent losses exceed with less than this chance."""
        whole = KEPT**LENGTH
        tail, number = 0.0, self.trains
        while tail < chance:
            tail += math.comb(self.trains, number) * whole**number * (1 - whole) ** (self.trains - number)
            number -= 1
        return number + 1


def ping_behind_a_drop(*, gso: bool, gro: bool) -> Outcome:
    if gro and os.geteuid():
        pytest.skip("root alone may set the timer of GRO")
    own = OWN if os.geteuid() == 0 else [*OWN, "--user", "--map-root-user"]
    for name in ("unshare", "ip", "tc"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no namespaces")
    words = [COMMON + CLIENT, COMMON + SERVER, json.dumps({"gso": gso, "gro": gro}), str(TRAINS), str(LENGTH)]
    command = [*own, sys.executable, "-c", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # Nothing else takes replies. On a busy machine requests are lost on their way: their trains do not count.
    assert (told["answered"], told["full"]) == (told["received"], 0)
    answered, replied = set(told["seqs"]), set(told["replied"])
    every = [range(at, at + LENGTH) for at in range(0, TRAINS * LENGTH, LENGTH)]
    trains = [train for train in every if answered.issuperset(train)]
    assert len(trains) > TRAINS / 2
    whole = sum(replied.issuperset(train) for train in trains)
    return Outcome(told["answered"], told["buffers"], told["packets"], len(replied), len(trains), whole)


@pytest.mark.parametrize("gro", [False, True], ids=["plain", "with GRO and a timer"])
def test_losses_within_trains_are_independent_of_each_other(*, gro: bool) -> None:
    outcome = ping_behind_a_drop(gso=False, gro=gro)
    if gro:
        assert outcome.buffers < outcome.answered / 2  # the kernel merged what was sent singly
    assert outcome.packets >= outcome.replies
    assert outcome.whole <= outcome.most_whole(1e-6)


def test_joined_replies_are_lost_together() -> None:
    """The same figures tell it when they are joined."""
    outcome = ping_behind_a_drop(gso=True, gro=True)
    assert outcome.packets < outcome.replies
    assert outcome.whole > outcome.most_whole(1e-6)
