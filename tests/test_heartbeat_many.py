"""Hundreds of senders in one process: they share threads and look-ups, and nothing that befalls one."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import udpping
from beats import byes, lines
from common import wait_until
from udpping.testing import FarEnd

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 400
SECONDS = 150.0

HEAD = """
import json, os, resource, sys, time, udpping

def threads():
    return len(os.listdir("/proc/self/task"))

def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)

"""


@pytest.fixture
def far() -> Iterator[FarEnd]:
    """Listen, and say nothing."""
    with FarEnd([]) as far:
        yield far


def run(script: str, *words: object, prefix: tuple[str, ...] = ()) -> str:
    """Run a script in a process of its own and give what it prints."""
    command = [*prefix, sys.executable, "-W", "ignore", "-c", HEAD + script, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_a_monitor_sees_each_of_them_come_live_and_go() -> None:
    script = """
count, port = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
before = threads()
senders = [udpping.Heartbeat("127.0.0.1", port, interval=0.25, id=f"dev-{number}") for number in range(count)]
for sender in senders:
    sender.start()
wait_until(lambda: all(sender.sent >= 4 for sender in senders))
assert threads() <= before + 2, threads()
assert all(sender.running for sender in senders)
senders[0].stop()
assert senders[0].wait(20)
sent = [sender.sent for sender in senders]
wait_until(lambda: all(sender.sent > before for sender, before in zip(senders[1:], sent[1:])))
assert senders[0].sent == sent[0]
for sender in senders:
    sender.stop()
assert not any(sender.running for sender in senders)
assert all(sender.wait(20) for sender in senders)
wait_until(lambda: threads() == before)
assert {(sender.errors, sender.refused, sender.last_error) for sender in senders} == {(0, 0, None)}
print(sum(sender.sent for sender in senders))
"""
    with udpping.Monitor("127.0.0.1", 0, detector="fixed:20", per_prefix=2 * COUNT) as monitor:
        sent = int(run(script, COUNT, monitor.address[1]))
        wait_until(lambda: monitor.counters.received == sent)
        told: Counter[str] = Counter()
        while event := monitor.next_event(0):
            told[event.event] += 1
        peers = list(monitor.peers)
    assert told["down"] == 0
    assert (told["new"], told["bye"]) == (COUNT, COUNT)
    assert {peer.client for peer in peers} == {f"dev-{number}" for number in range(COUNT)}
    assert {(peer.state, peer.lost, peer.duplicates) for peer in peers} == {("bye", 0, 0)}
    assert sum(peer.received for peer in peers) == sent


def test_goodbyes_leave_though_the_program_ends_at_once(far: FarEnd) -> None:
    script = """
senders = [udpping.Heartbeat(sys.argv[1], int(sys.argv[2]), interval=60, id=f"{n}") for n in range(50)]
for sender in senders:
    sender.start()
for sender in senders:
    sender.stop(3)
"""
    run(script, *far.address)
    wait_until(lambda: len(byes(far)) == 150)
    assert Counter(line["id"] for line in lines(far) if line["bye"] == "3") == {f"{n}": 3 for n in range(50)}


def test_a_child_has_senders_of_its_own_and_leaves_its_parents_alone(far: FarEnd) -> None:
    script = """
where = sys.argv[1], int(sys.argv[2])
senders = [udpping.Heartbeat(*where, interval=0.1, id=f"parent-{n}") for n in range(30)]
made = udpping.Heartbeat(*where, interval=0.1, id="child-made-by-its-parent")
for sender in senders:
    sender.start()
time.sleep(0.2)  # a clock that begins later would show
child = os.fork()
if child == 0:
    assert not any(sender.running for sender in senders)
    own = [made, *(udpping.Heartbeat(*where, interval=0.1, id=f"child-{n}") for n in range(30))]
    for sender in own:
        sender.start()
    wait_until(lambda: all(sender.sent >= 3 for sender in own))
    assert threads() == 2
    for sender in own + senders:
        sender.stop(7)
    del senders
    sys.exit(5)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 5
sent = [sender.sent for sender in senders]
wait_until(lambda: all(sender.sent > before + 3 for sender, before in zip(senders, sent)))
for sender in senders:
    sender.stop(0)
"""
    run(script, *far.address)
    wait_until(lambda: len(byes(far)) == 183)
    told = lines(far)
    assert len({line["id"] for line in told}) == 61
    for line in told:
        assert line["bye"] in {None, "7" if line["id"].startswith("child") else "0"}


def test_when_files_run_out_start_says_so_and_the_others_go_on(far: FarEnd) -> None:
    script = """
where = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 80))
senders = [udpping.Heartbeat(*where, interval=0.02, id=f"dev-{n}") for n in range(100)]
started = []
try:
    for sender in senders:
        sender.start()
        started.append(sender)
except udpping.NetworkError as error:
    print(error.errno, error)
spare = senders[len(started)]
assert 30 < len(started) < 60 and not spare.running
# One by a name learns of it later.
named = udpping.Heartbeat("localhost", where[1], interval=0.02)
named.start()
wait_until(lambda: named.errors > 2)
print(named.last_error)
named.stop()
sent = [sender.sent for sender in started]
wait_until(lambda: all(sender.sent > before + 3 for sender, before in zip(started, sent)))
assert not any(sender.errors for sender in started)
# What one gives back another may have.
started.pop().stop()
def starts():
    try:
        spare.start()
    except udpping.NetworkError:
        return False
    return True
wait_until(starts)
wait_until(lambda: spare.sent > 3)
for sender in [*started, spare]:
    sender.stop()
"""
    raised, told = run(script, *far.address).splitlines()
    for text in (raised, told):
        assert "Too many open files" in text
        assert "may have 60 files and sockets open at once, and may ask for 80" in text
        assert "ulimit -n" in text
    assert raised.startswith("24 cannot ")


def test_a_slow_name_is_looked_up_once_for_all_and_delays_nobody() -> None:
    """In namespaces of its own, with a name server that never answers."""
    if subprocess.run(["unshare", "-rmn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no namespaces")
    script = """
import fcntl, socket, struct, subprocess, tempfile

own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
fcntl.ioctl(own, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
with tempfile.NamedTemporaryFile("w") as file:
    file.write("nameserver 127.0.0.1\\noptions timeout:20 attempts:1\\n")
    file.flush()
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
server, monitor = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
server.bind(("127.0.0.1", 53))
server.settimeout(20)
monitor.bind(("127.0.0.1", 0))
port = monitor.getsockname()[1]
slow = [udpping.Heartbeat("slow.example", port, interval=0.05) for _ in range(200)]
well = udpping.Heartbeat("127.0.0.1", port, interval=0.05)
for sender in slow:
    sender.start()
server.recv(512)
well.start()
wait_until(lambda: well.sent >= 30)
# The first look-up, of 20 seconds, is under way still, and there is no other.
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
assert names.count("udpping name") == 1, names
wait_until(lambda: all(sender.errors > 2 for sender in slow))
assert "not been found yet" in slow[0].last_error
began = time.monotonic()
for sender in [*slow, well]:
    sender.stop()
assert all(sender.wait(20) for sender in slow)
assert time.monotonic() - began < 10
"""
    run(script, prefix=("unshare", "-rmn"))


def test_one_that_nobody_answers_is_told_so_alone(far: FarEnd, free_port: int) -> None:
    with (
        udpping.Heartbeat("127.0.0.1", free_port, interval=0.02) as refused,
        udpping.Heartbeat(*far.address, interval=0.02) as well,
    ):
        wait_until(lambda: refused.refused > 2 and well.sent > 5)
        assert refused.last_error is not None
        assert (well.refused, well.last_error) == (0, None)
