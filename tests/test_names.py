"""Targets that cannot be found or reached, names in other alphabets, and interfaces."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import udpping
from common import statuses, wait_until
from udpping.testing import free_port

BEGIN = """
import fcntl, json, os, socket, struct, subprocess, sys, tempfile, threading, time, udpping

def run(*words):
    subprocess.run(words, check=True)

def lo_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        fcntl.ioctl(own, 0x8914, struct.pack("16sH14x", b"lo", 0x49))  # SIOCSIFFLAGS: up, running, loopback

def cover(path, text):
    file = tempfile.NamedTemporaryFile("w")
    file.write(text)
    file.flush()
    run("mount", "--bind", file.name, path)
    return file

def refused(call, *args, **options):
    try:
        call(*args, **options)
    except udpping.UdppingError as error:
        return f"{type(error).__name__}: {error}"
"""


def in_namespaces(script: str, flags: str = "-rmn") -> Any:  # noqa: ANN401 - whatever the script prints
    """Run a script in namespaces of users, mounts and networks; read the JSON that it prints."""
    if subprocess.run(["unshare", flags, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no namespaces")
    command = ["unshare", flags, sys.executable, "-c", BEGIN + script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("first", [True, False], ids=["bad first", "bad last"])
def test_a_target_that_is_not_found_has_rows_with_the_status_error(*, first: bool) -> None:
    with udpping.Server(port=0) as server:
        good, bad = "{}:{}".format(*server.address), "no-such-host.invalid:1"
        targets = [bad, good] if first else [good, bad]
        run = udpping.ping_many(targets, count=2, interval=0.01, timeout=5)
        with udpping.Pinger(targets, count=2, interval=0.01, timeout=5) as pinger:
            rows = list(pinger)
    assert {row.target: row.status for row in run} == {good: "reply", bad: "error"}
    assert [row.seq for row in run] == [1, 2, 1, 2]
    assert (run.summary.errors, run.summary.received) == (2, 2)
    assert sorted(row.status for row in rows) == ["error"] * 2 + ["reply"] * 2
    for problems in (run.problems, pinger.problems):
        assert list(problems) == [bad]
        assert problems[bad].startswith('cannot find host "no-such-host.invalid"')
    assert f"not sent to {bad}: cannot find host" in repr(run)
    assert {each["target"]: each["address"] for each in run.settings["targets"]} == {good: good, bad: None}


def test_an_error_is_raised_if_no_target_can_be_tried() -> None:
    with pytest.raises(udpping.AddressError, match=r"no-such-host\.invalid"):
        udpping.ping_many(["no-such-host.invalid:1", "nobody.invalid:1"], count=1)


def test_targets_of_any_fault_spoil_no_other() -> None:
    """No route, no such family, no interface, a broadcast address, an MTU that is too small."""
    found = in_namespaces("""
lo_up()
run("ip", "link", "set", "lo", "mtu", "1500")
with udpping.Server(port=0) as server:
    port = server.address[1]
    bad = ["192.0.2.1:9", "[2001:db8::1]:9", "[fe80::1]:9", "[fe80::1%nope]:9", "127.255.255.255:9"]
    targets = [*bad, f"127.0.0.1:{port}", udpping.Target("127.0.0.1", port, size=1473)]
    one = udpping.ping_many(targets, count=2, interval=0.01, timeout=5, df=True)
    other = udpping.ping_many(targets[::-1], count=2, interval=0.01, timeout=5, df=True)
    alone = udpping.ping_many(targets[:-2] + targets[-1:], count=1, interval=0.01, timeout=5, df=True)
wanted = {row.target: row.status for row in one}
assert wanted == {row.target: row.status for row in other}
assert one.problems == other.problems and len(alone.problems) == 6, alone.problems
print(json.dumps([wanted, one.problems]))
""")
    status, problems = found
    assert sorted(status.values()) == ["error"] * 6 + ["reply"]
    words = ["no route", "no route", "expected its interface too", 'not "nope"', "broadcast", "at most 1472"]
    assert [word for word, problem in zip(words, problems.values(), strict=True) if word not in problem] == []
    assert "os error" not in str(problems)


def test_no_ping_leaves_from_the_port_that_it_goes_to() -> None:
    """A reflector answers nobody at its own port, and the system has two ports to choose from."""
    statuses = in_namespaces("""
lo_up()
run("sysctl", "-q", "net.ipv4.ip_local_port_range=50000 50001")
runs = []
with udpping.Reflector("127.0.0.2", 50000) as one, udpping.Reflector("127.0.0.3", 50001) as two:
    for targets in [[one]] * 16 + [[one, two]]:
        # Those of the run before are closed.
        while len(list(open("/proc/net/udp"))) > 3:
            time.sleep(0.001)
        runs += udpping.ping_many(targets, count=1, timeout=5, bind="127.0.0.1", protocol="stamp")
print(json.dumps([row.status for row in runs]))
""")
    assert statuses == ["reply"] * 18


def test_a_target_whose_route_appears_is_pinged_from_then_on() -> None:
    statuses = in_namespaces("""
lo_up()
with udpping.Server("", 0) as server:
    port = server.bound[1]
    pinger = udpping.Pinger([f"192.0.2.7:{port}", f"127.0.0.1:{port}"], count=None, interval=0.02)
    seen = []
    for row in pinger:
        if row.target.startswith("192"):
            seen.append(row.status)
            if seen == ["error"] * 2:
                run("ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
            if seen[-1] == "reply":
                break
print(json.dumps(seen))
""")
    assert (statuses[:2], statuses[-1]) == (["error"] * 2, "reply")


@pytest.mark.parametrize("busy", [False, True])
def test_a_ping_that_is_too_long_for_the_path_is_an_error_row_with_the_mtu(*, busy: bool) -> None:
    runs = in_namespaces(f"""
lo_up()
run("ip", "link", "set", "lo", "mtu", "1500")
with udpping.Server("::", 0, reply="x") as server:
    port, runs = server.bound[1], []
    for host, size in [("127.0.0.1", 1472), ("127.0.0.1", 1473), ("::1", 1452), ("::1", 1453)]:
        run = udpping.ping(host, port, count=2, size=size, df=True, interval=None, timeout=5, busy={busy})
        runs.append([[row.status for row in run], list(run.problems.values())])
    words = ["ping", f"127.0.0.1:{{port}}", "-c", "1", "-s", "1473", "--df"]
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "udpping", *words, *more]
        done = subprocess.run(command, capture_output=True, text=True)
        runs.append([done.returncode, done.stdout])
print(json.dumps(runs))
""")
    too_long = (
        "cannot send to {}: {} bytes are too long for an MTU of 1500 without fragments (df); send at most {}"
    )
    (code, said), (_, records) = runs[-2:]
    assert code == 1
    assert "\nnot sent: cannot send to 127.0.0.1:" in said
    assert json.loads(records.splitlines()[-2])["message"].endswith("send at most 1472")
    for (seen, problems), most in zip(runs[:-2], [0, 1472, 0, 1452], strict=True):
        assert seen == (["error"] if most else ["reply"]) * 2
        for problem in problems:
            host = problem.split()[3].rstrip(":")
            assert problem == too_long.format(host, most + 1, most)
        assert len(problems) == bool(most)


def test_an_address_of_a_link_needs_its_interface_and_bind_can_name_it() -> None:
    """Two ends of a cable: a server at one, pings from the other."""
    told, answered, bound, server, near = in_namespaces("""
lo_up()
run("ip", "link", "add", "far0", "type", "veth", "peer", "name", "near0")
for name in ("far0", "near0"):
    with open(f"/proc/sys/net/ipv6/conf/{name}/accept_dad", "w") as file:
        file.write("0")
    run("ip", "link", "set", name, "up")
def address(name):
    while True:
        for line in open("/proc/net/if_inet6"):
            words = line.split()
            if words[5] == name and words[0].startswith("fe80"):
                return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))
        time.sleep(0.01)
far, near = address("far0"), address("near0")
told = [
    refused(udpping.ping, far, 9), refused(udpping.Server, far, 0), refused(udpping.Heartbeat, far, 9),
    refused(udpping.ping, "::1", 9, bind=near), refused(udpping.ping, "::1", 9, bind=f"{near}%nope"),
    refused(udpping.ping, f"{far}%nope", 9),
]
with udpping.Server(f"{far}%far0", 0) as server:
    port = server.bound[1]
    runs = [
        udpping.ping(f"{near}%near0", port, count=1, timeout=5),
        udpping.ping(f"{far}%far0", port, count=1, timeout=5),
        udpping.ping(far, port, bind=f"{far}%far0", count=1, timeout=5),
        udpping.ping(f"{far}%far0", port, bind=f"[{far}%far0]", count=1, timeout=5),
        udpping.ping(far, port, bind="far0", count=1, timeout=5),
    ]
    command = [sys.executable, "-m", "udpping", "ping", f"[{far}]:{port}", "-c", "1", "-W", "5", "-I"]
    commands = [subprocess.run([*command, bind], capture_output=True) for bind in (f"{far}%far0", "far0")]
with udpping.Server("127.0.0.1", 0) as server:
    # Pings that have to pass an interface do not pass another one.
    for bind, timeout in (("lo", 5), ("near0", 0.1)):
        runs.append(udpping.ping(*server.address, bind=bind, count=1, timeout=timeout))
answered = [[row.status for row in run] for run in runs] + [done.returncode for done in commands]
print(json.dumps([told, answered, f"{near}%near0", far, near]))
""")
    assert answered[:5] == [["unreachable"], *[["reply"]] * 4]
    assert answered[5:] == [["reply"], ["timeout"], 0, 0]
    assert bound.endswith("%near0")
    for text, what in zip(told[:3], ["host"] * 3, strict=True):
        assert text.startswith(
            f'ConfigError: {what} {server} is not usable: expected its interface too: "{server}%'
        )
        assert "far0" in text
        assert "near0" in text
    assert told[3].startswith(f'ConfigError: bind {near} is not usable: expected its interface too: "{near}%')
    for text in told[4:]:
        assert "expected an interface of this machine (" in text
        assert 'behind the %, not "nope"' in text


@pytest.mark.parametrize(
    "bind", ["", "x", "224.0.0.1", "255.255.255.255", "ff02::1", "localhost", "127.0.0.1:9"]
)
def test_what_is_no_address_to_send_from_is_refused(bind: str) -> None:
    with pytest.raises(udpping.ConfigError, match=r"\Abind .* is not usable: expected"):
        udpping.ping("127.0.0.1", free_port(), bind=bind)


def test_two_names_in_a_tuple_are_told_how_they_were_read() -> None:
    for targets in (("a", "b"), (("127.0.0.1", 9), ("127.0.0.2", 9))):
        with pytest.raises(udpping.ConfigError, match=r"\Ahost \(.* expected a tuple to be \(host, port\)"):
            udpping.Pinger(targets)  # pyright: ignore[reportArgumentType]
    with pytest.raises(udpping.ConfigError, match=r"\Ahost \[\] .* at least one"):
        udpping.Pinger([])


def test_an_error_has_the_systems_number_and_its_text_has_not() -> None:
    with pytest.raises(udpping.NetworkError) as caught:
        udpping.ping("127.0.0.1", free_port(), bind="192.0.2.1")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    assert "os error" not in str(caught.value)


def test_pings_of_asyncio_go_on_beside_one_that_is_not_found() -> None:
    import asyncio

    with udpping.Server(port=0) as server:
        run = asyncio.run(
            udpping.aio.ping_many([server.address, "no-such-host.invalid"], count=2, interval=0.01, timeout=5)
        )
    assert statuses(run) == ["reply"] * 2 + ["error"] * 2


SILENT = """
lo_up()
resolv = cover("/etc/resolv.conf", "nameserver 127.0.0.1\\noptions timeout:20 attempts:1\\n")
name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
name_server.bind(("127.0.0.1", 53))
name_server.settimeout(20)
import os, signal
python = [sys.executable, "-m", "udpping"]
def interrupt(number, command):
    # Each has a name of its own: the resolver asks more than once.
    command = [word.replace("slow", f"slow{number}") for word in command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while f"slow{number}".encode() not in name_server.recv(512):
        pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    return [process.returncode, time.monotonic() - began, err]
"""


def test_ctrl_c_ends_a_look_up_at_once_in_every_command() -> None:
    """A name server that never answers; the resolver would wait for 20 seconds."""
    found = in_namespaces(
        SILENT
        + """
words = [
    ["ping", "slow.example", "-c", "1"], ["ping", "slow.example", "--json", "-t"],
    ["server", "--host", "slow.example"], ["monitor", "--host", "slow.example"], ["doctor", "slow.example"],
]
print(json.dumps([interrupt(number, [*python, *each]) for number, each in enumerate(words)]))
"""
    )
    for code, seconds, error in found:
        assert (code, error) == (130, "")
        assert seconds < 10


def test_ctrl_c_ends_a_look_up_at_once_in_python() -> None:
    calls = [
        "udpping.ping('slow.example', 9)",
        "udpping.ping_many(['127.0.0.1:9', 'slow.example:9'])",
        "udpping.Pinger('slow.example')",
        "udpping.Server('slow.example', 0)",
        "udpping.Monitor('slow.example', 0)",
        "asyncio.run(udpping.aio.ping('slow.example', 9))",
        "udpping.Pinger(['127.0.0.1:9'], count=None, interval=1).add('slow.example')",
    ]
    script = "import asyncio, udpping\ntry:\n    {}\nexcept KeyboardInterrupt:\n    raise SystemExit(7)\n"
    found = in_namespaces(
        SILENT
        + f"scripts = {[script.format(call) for call in calls]!r}"
        + """
print(json.dumps([interrupt(number, [sys.executable, "-c", each]) for number, each in enumerate(scripts)]))
"""
    )
    for call, (code, seconds, error) in zip(calls, found, strict=True):
        assert (code, error) == (7, ""), call
        assert seconds < 10, call


def test_ctrl_c_while_an_error_is_printed_leaves_no_traceback() -> None:
    """The error goes to a pipe that is full and that nobody reads yet."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x")
    os.set_blocking(writer, True)
    command = [sys.executable, "-m", "udpping", "ping", "no..such..host"]
    with subprocess.Popen(command, stderr=writer) as process:
        os.close(writer)
        call = Path(f"/proc/{process.pid}/syscall")
        try:
            call.read_text()
        except OSError:
            process.kill()
            pytest.skip("this system does not tell what a process waits for")
        wait_until(lambda: call.read_text().split()[1:2] == ["0x2"])  # write(2, ...)
        process.send_signal(signal.SIGINT)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
    assert process.returncode == 130
    assert said.strip(b"x") in {b"", b"\n"} or said.strip(b"x").startswith(b"udpping ping: cannot find host")
    assert b"Traceback" not in said


def test_an_international_name_is_looked_up_in_ascii_wherever_a_host_is_taken() -> None:
    target, answered, known, refused = in_namespaces("""
lo_up()
hosts = cover("/etc/hosts", "127.0.0.1 xn--bcher-kva.test\\n::1 localhost\\n")
name = "b\\u00fccher.test"
server, monitor = udpping.Server(name, 0), udpping.Monitor(name, 0)
server.start(), monitor.start()
port = server.address[1]
runs = [
    udpping.ping(name, port, count=1, timeout=5),
    udpping.ping_many([f"{name}:{port}"], count=1, timeout=5),
    udpping.Pinger(name, port, count=1, timeout=5).run(),
    udpping.Pinger(server, count=1, timeout=5).run(),
]
import asyncio
runs.append(asyncio.run(udpping.aio.ping(name, port, count=1, timeout=5)))
with udpping.Heartbeat(name, monitor.address[1], interval=0.02, id="me"):
    while "me" not in [peer.client for peer in monitor.peers]:
        time.sleep(0.01)
command = [sys.executable, "-m", "udpping"]
codes = [subprocess.run([*command, *words], capture_output=True).returncode for words in (
    ["ping", f"{name}:{port}", "-c", "1", "-W", "5"], ["doctor", f"{name}:{port}", "-c", "1", "-W", "5"],
    ["ping", "--profile", "kurose", f"{name}:{port}", "-c", "1", "-W", "5"],
)]
names = ("b\\u00fc..cher", "\\u00fc" * 64, "nobody\\u00fc.invalid")
refused = [refused(udpping.ping, text, 9) for text in names]
print(json.dumps([runs[0].targets[0], [row.status for run in runs for row in run], codes, refused]))
""")
    assert target.startswith("bücher.test:")
    assert answered == ["reply"] * 5
    assert known == [0, 0, 0]
    for text in refused[:2]:
        assert text.startswith('ConfigError: host "')
        assert "IDNA" in text
    assert refused[2].startswith('AddressError: cannot find host "nobodyü.invalid"')


def test_two_names_can_change_places() -> None:
    sources = in_namespaces("""
lo_up()
def write(one, two):
    hosts.seek(0)
    hosts.truncate()
    hosts.write(f"127.0.0.{one} one.test\\n127.0.0.{two} two.test\\n")
    hosts.flush()
hosts = cover("/etc/hosts", "127.0.0.2 one.test\\n127.0.0.3 two.test\\n")
with udpping.Server("", 0) as server:
    port = server.bound[1]
    with udpping.Pinger([f"one.test:{port}", f"two.test:{port}"], count=None, interval=0.005) as pinger:
        def latest(wanted):
            seen = {}
            while seen != wanted:
                row = next(pinger)
                if row.status == "reply":
                    seen[row.target.split(".")[0]] = row.source.split(":")[0][-1]
            return seen
        seen = [latest({"one": "2", "two": "3"})]
        for one, two in [(3, 2), (2, 3)]:
            write(one, two)
            assert pinger.resolve() == {}
            seen.append(latest({"one": str(one), "two": str(two)}))
        write(2, 2)
        failed = pinger.resolve()
        assert list(failed) == [f"two.test:{port}"] and "each address once" in str(failed[f"two.test:{port}"])
        summary = pinger.summary
print(json.dumps([seen, summary.unmatched, summary.duplicates]))
""")
    seen, unmatched, duplicates = sources
    assert seen == [{"one": "2", "two": "3"}, {"one": "3", "two": "2"}, {"one": "2", "two": "3"}]
    assert (unmatched, duplicates) == (0, 0)


def test_an_endless_run_follows_a_name_that_moves_and_says_so() -> None:
    kinds, line, fixed = in_namespaces("""
lo_up()
hosts = cover("/etc/hosts", "127.0.0.2 moving.test\\n")
def move(to):
    hosts.seek(0)
    hosts.write(f"{to} moving.test\\n")
    hosts.flush()
here = udpping.Server("127.0.0.2", 0)
port = here.address[1]
there = udpping.Server("127.0.0.3", port)
here.start(), there.start()
words = ["ping", f"moving.test:{port}", "-t", "-i", "0.1", "-W", "0.2", "--json"]
command = [sys.executable, "-m", "udpping", *words]
with (
    udpping.Pinger("moving.test", port, count=None, interval=0.05, timeout=0.2) as pinger,
    udpping.Pinger("moving.test", port, count=10_000, interval=0.05, timeout=0.2) as other,
    subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
):
    for lines in process.stdout:
        if json.loads(lines)["type"] == "ping":
            break
    move("127.0.0.3")
    here.stop()
    for row in pinger:
        if row.source and row.source.startswith("127.0.0.3") and row.status == "reply":
            break
    assert pinger.address == f"127.0.0.3:{port}"
    for lines in process.stdout:
        line = json.loads(lines)
        if line["type"] == "moved":
            break
    for lines in process.stdout:
        row = json.loads(lines)
        if row.get("status") == "reply":
            break
    process.kill()
there = f"127.0.0.3:{port}"
print(json.dumps([row["source"] == there, [line["target"], line["address"]], [other.address, port]]))
""")
    assert kinds
    port = fixed[1]
    assert line == [f"moving.test:{port}", f"127.0.0.3:{port}"]
    assert fixed[0] == f"127.0.0.2:{port}"


def test_a_broadcast_or_multicast_address_is_named_and_whoever_answers_there_counts() -> None:
    told, rows, errors, command, summary = in_namespaces("""
lo_up()
run("ip", "link", "set", "lo", "multicast", "on")
run("ip", "route", "add", "224.0.0.0/4", "dev", "lo")
run("ip", "addr", "add", "127.0.0.2/8", "dev", "lo")
told = [refused(udpping.ping, host, 9) for host in ("127.255.255.255", "239.1.2.3")]

# Two hosts of a group: each answers from its own address.
hosts = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
answers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
for number, (host, answer) in enumerate(zip(hosts, answers)):
    host.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    host.bind(("", hosts[0].getsockname()[1] if number else 0))
    group = socket.inet_aton("239.1.2.3") + socket.inet_aton("127.0.0.1")
    host.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    answer.bind((f"127.0.0.{number + 1}", 0))
    def serve(host=host, answer=answer):
        while True:
            ping, source = host.recvfrom(2048)
            answer.sendto(ping.upper(), source)
    threading.Thread(target=serve, daemon=True).start()
port = hosts[0].getsockname()[1]
known = {f"127.0.0.{number + 1}:{answer.getsockname()[1]}" for number, answer in enumerate(answers)}
rows = []
for host, options in [("127.255.255.255", {}), ("239.1.2.3", {"ttl": 3, "bind": "127.0.0.1"})]:
    # A second ping would settle before the other answer to the first came, so the run listens on.
    run_ = udpping.ping(host, port, count=2, broadcast=True, timeout=5, interval=0.2, linger=2, **options)
    rows.append([[row.status, row.copies, row.source in known, row.ttl is not None] for row in run_])
    rows.append([run_.summary.foreign, run_.summary.duplicates, run_.summary.unmatched])
with udpping.Server("127.0.0.1", 0) as server:
    targets = [("127.255.255.255", port), server]
    mixed = udpping.ping_many(targets, count=1, broadcast=True, timeout=5)
    spoilt = udpping.ping_many(targets, count=1, interval=0.01, timeout=5)
command = [sys.executable, "-m", "udpping", "ping", f"127.255.255.255:{port}", "-c", "1", "-W", "5"]
codes = [subprocess.run([*command, *more], capture_output=True, text=True) for more in (["-b"], [])]
print(json.dumps([
    told, rows, [[row.status for row in run_] for run_ in (mixed, spoilt)],
    [[done.returncode, done.stderr] for done in codes], list(spoilt.problems.values()),
]))
""")
    for text, kind in zip(told, ["broadcast", "multicast"], strict=True):
        assert text.startswith("ConfigError: host ")
        assert f"expected broadcast=True (-b) for this {kind} address" in text
    for each, counts in (rows[:2], rows[2:]):
        assert each == [["reply", 2, True, True]] * 2
        assert counts == [0, 2, 0]
    assert errors == [["reply", "reply"], ["error", "reply"]]
    assert [code for code, _ in command] == [0, 2]
    assert "expected -b for this broadcast address" in command[1][1]
    assert "broadcast address" in summary[0]


def test_a_server_of_both_families_answers_what_came_to_a_broadcast_or_multicast_address() -> None:
    runs, errors = in_namespaces("""
run("ip", "link", "add", "near0", "type", "veth", "peer", "name", "far0")
far = subprocess.Popen(["unshare", "-n", sys.executable, "-c", '''
import sys, udpping
sys.stdin.readline()
with udpping.Server("::", 0) as server:
    print(server.bound[1], flush=True)
    sys.stdin.readline()
    print(server.counters.errors, flush=True)
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
while os.readlink(f"/proc/{far.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
    time.sleep(0.01)
run("ip", "link", "set", "far0", "netns", str(far.pid))
for enter, name, address in [([], "near0", "10.77.0.1/24"),
                             (["nsenter", "-n", "-t", str(far.pid)], "far0", "10.77.0.2/24")]:
    run(*enter, "sysctl", "-q", f"net.ipv6.conf.{name}.accept_dad=0")
    run(*enter, "ip", "addr", "add", address, "dev", name)
    run(*enter, "ip", "link", "set", name, "up")
while sum("fe80" in line and "near0" in line for line in open("/proc/net/if_inet6")) == 0:
    time.sleep(0.01)
print("", file=far.stdin, flush=True)
port = int(far.stdout.readline())
runs = []
for host in ("10.77.0.255", "10.77.0.2", "ff02::1%near0"):
    run_ = udpping.ping(host, port, count=2, interval=0.1, timeout=5, broadcast=True)
    runs.append([[row.status, row.source.split("%")[0] if row.source else ""] for row in run_])
print("", file=far.stdin, flush=True)
print(json.dumps([runs, int(far.stdout.readline())]))
""")
    assert [[status for status, _ in rows] for rows in runs] == [["reply"] * 2] * 3
    assert {source.rsplit(":", 1)[0] for rows in runs[:2] for _, source in rows} == {"10.77.0.2"}
    assert errors == 0


def test_a_server_a_monitor_and_a_heartbeat_refuse_an_address_where_many_may_answer() -> None:
    told, command = in_namespaces("""
lo_up()
run("ip", "link", "set", "lo", "multicast", "on")
run("ip", "route", "add", "224.0.0.0/4", "dev", "lo")
hosts = ("127.255.255.255", "239.1.2.3")
told = [
    [refused(udpping.Server, host, 0), refused(udpping.Monitor, host, 0),
     refused(lambda: udpping.Heartbeat(host, 9).start())]
    for host in hosts
]
command = [sys.executable, "-m", "udpping", "heartbeat", "127.255.255.255:9"]
done = subprocess.run(command, capture_output=True, text=True)
print(json.dumps([told, [done.returncode, done.stderr]]))
""")
    for texts, host, kind in zip(
        told, ["127.255.255.255", "239.1.2.3"], ["broadcast", "multicast"], strict=True
    ):
        refusal = f"ConfigError: host {host} is not usable: expected"
        assert texts == [
            *[f"{refusal} an address of this machine, not a {kind} address"] * 2,
            f"{refusal} the address of one host, not this {kind} address, where many may answer",
        ]
    assert command[0] == 2
    assert "not this broadcast address" in command[1]


def test_loopback_and_each_interface_once_can_stand_behind_the_percent_sign() -> None:
    run, text = in_namespaces("""
lo_up()
run("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
for name in ("v0", "v1"):
    run("sysctl", "-q", f"net.ipv6.conf.{name}.accept_dad=0")
    run("ip", "link", "set", name, "up")
run("ip", "addr", "add", "fd00::1/64", "dev", "v0", "nodad")
run("ip", "addr", "add", "fe80::77/64", "dev", "v0", "nodad")
while {line.split()[5] for line in open("/proc/net/if_inet6")} != {"lo", "v0", "v1"}:
    time.sleep(0.01)
with udpping.Server("::1%lo", 0) as server:
    run_ = udpping.ping("::1%lo", server.bound[1], count=1, timeout=5, bind="::1%lo")
print(json.dumps([
    [row.status for row in run_],
    [refused(udpping.ping, "::1%nope", 9), refused(udpping.ping, "fe80::1", 9)],
]))
""")
    assert run == ["reply"]
    assert text[0].endswith('expected an interface of this machine (lo, v0, v1) behind the %, not "nope"')
    assert text[1].endswith('"fe80::1%v0", with one of v0, v1')
