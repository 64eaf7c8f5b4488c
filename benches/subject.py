"""udpping in a process of its own, by its public interface: `subject.py ROLE OPTIONS`.

The options are JSON, `-` when they come through stdin.
A server or monitor prints its port, and its counters when stdin ends. The others print one line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

import udpping

BURST = 64
OPEN_PACKET = struct.Struct("!I8xH30x")  # of STAMP: number, time, error estimate
FOLLOW_UP = b"\x80\x07\0\x10".ljust(20, b"\0")  # asks when the reply before left
SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it


def show(**facts: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def server(options: dict[str, Any]) -> None:
    """Serve until stdin ends."""
    answer(udpping.Server(port=0, **options))


def reflector(options: dict[str, Any]) -> None:
    """Reflect until stdin ends."""
    answer(udpping.Reflector(port=0, **options))


def relay(options: dict[str, Any]) -> None:
    """Relay until stdin ends."""
    answer(udpping.Relay(tuple(options.pop("to")), **options))


def answer(far_end: udpping.Server | udpping.Reflector | udpping.Relay) -> None:
    """Answer until stdin ends, and give the counters."""
    with far_end as own:
        work_at(own.address[1])
        time.sleep(0.01)
        show(**own.counters.as_dict())


def work_at(port: int) -> None:
    """Tell the port, and wait until stdin ends."""
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    sys.stdin.read()


def ping(options: dict[str, Any]) -> None:
    """Ping, and give the columns that are compared, and the CPU that the run took."""
    first, spent = time.monotonic_ns(), time.process_time_ns()
    run = udpping.ping_many(**options) if "targets" in options else udpping.ping(**options)
    spent, took = time.process_time_ns() - spent, time.monotonic_ns() - first
    names = ("rtt_ns", "path_rtt_ns", "user_rtt_ns", "stamp", "due_ns", "sent_ns", "status")
    columns = {name: run[name].to_list() for name in names if name in run.column_names}
    show(summary=run.summary.as_dict(), cpu_ns=spent, took_ns=took, **columns)


def load(options: dict[str, Any]) -> None:
    """Send packets of one length in bursts of 64, at most 128 out at a time, and look at each reply."""
    count, stamp = options["count"], options["protocol"].startswith("stamp")
    asking = FOLLOW_UP if options["protocol"] == "stamp:follow-up" else b""
    sent = received = wrong = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(5)
        own.connect(("127.0.0.1", options["port"]))
        while received < count:
            if sent < count and sent - received <= BURST:
                for number in range(sent, min(sent + BURST, count)):
                    own.send(OPEN_PACKET.pack(number, 1) + asking if stamp else text_of_44(number))
                    sent += 1
            try:
                reply = own.recv(2048)
            except TimeoutError:
                break
            if stamp:  # with the sender's number behind those of the reflector
                wrong += len(reply) != OPEN_PACKET.size + len(asking) or reply[24:28] != received.to_bytes(4)
            else:
                wrong += reply != text_of_44(received).upper()
            received += 1
    show(summary={"sent": sent, "received": received, "wrong": wrong})


def text_of_44(number: int) -> bytes:
    """Give a ping that is as long as a packet of STAMP."""
    return (b"Ping %d 0 " % number).ljust(44, b".")


def monitor(options: dict[str, Any]) -> None:
    """Watch until stdin ends."""
    with udpping.Monitor("127.0.0.1", 0, **options) as own:
        work_at(own.address[1])
        show(**own.counters.as_dict(), peers=len(own.peers))


def ear(options: dict[str, Any]) -> None:
    """Hear heartbeats until stdin ends, and how long after its time each came in, by the kernel's stamp."""
    late_ns: list[int] = []
    received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["buffer"])
        own.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        own.bind(("127.0.0.1", 0))
        sys.stdout.write(f"{own.getsockname()[1]}\n")
        sys.stdout.flush()
        while own in select.select([own, sys.stdin], [], [])[0]:
            line, [(_, _, stamp)], _, _ = own.recvmsg(512, 64)
            received += 1
            _, seq, due, *_, last = line.split()
            # The first has no schedule, and what it brings on is not that of the others.
            if seq != b"1" and not last.startswith(b"bye"):
                seconds, nanos = struct.unpack("qq", stamp)
                whole, _, rest = due.partition(b".")
                late_ns.append((seconds - int(whole)) * 10**9 + nanos - int(rest.ljust(9, b"0")))
    show(received=received, late_ns=late_ns)


def senders(options: dict[str, Any]) -> None:
    """Be very many devices for some seconds; what that takes."""
    count, port = options["count"], options["port"]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before, began = resident_bytes(), time.monotonic_ns()
    own = [udpping.Heartbeat("127.0.0.1", port, id=f"dev-{number}") for number in range(count)]
    for heartbeat in own:
        heartbeat.start()
    while not all(heartbeat.sent for heartbeat in own):
        time.sleep(0.001)
    starting_ns = time.monotonic_ns() - began
    sent, spent = sum(heartbeat.sent for heartbeat in own), time.process_time_ns()
    time.sleep(options["seconds"])
    spent, sent = time.process_time_ns() - spent, sum(heartbeat.sent for heartbeat in own) - sent
    grown, threads = resident_bytes() - before, len(list(Path("/proc/self/task").iterdir()))
    skipped, began = sum(heartbeat.skipped for heartbeat in own), time.monotonic_ns()
    for heartbeat in own:
        heartbeat.stop()
    stopping_ns = time.monotonic_ns() - began
    for heartbeat in own:
        heartbeat.wait()
    show(
        sent=sum(heartbeat.sent for heartbeat in own),
        failed=sum(heartbeat.errors + heartbeat.refused for heartbeat in own),
        skipped=skipped,
        threads=threads,
        cpu_ns=spent / max(sent, 1),
        bytes=grown / count,
        starting_ns=starting_ns,
        stopping_ns=stopping_ns,
    )


def resident_bytes() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def results(options: dict[str, Any]) -> None:
    """Make a long run in virtual time, and use it as one does; seconds of CPU for each step."""
    took: dict[str, float] = {}
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    run = udpping.sim.ping(count=options["count"], loss="4/11", delay="exponential:20ms", seed=1)
    took["sim.ping"], began = time.process_time() - began, time.process_time()
    received = run.summary.received
    took["summary"], began = time.process_time() - began, time.process_time()
    rows = len(run)
    run.__arrow_c_stream__()
    took["to Arrow"] = time.process_time() - began
    grown, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time()
    nulls = run["rtt_ns"].null_count
    took["column rtt_ns"], began = time.process_time() - began, time.process_time()
    lines = run.to_csv().count("\n") - 1
    took["CSV"], began = time.process_time() - began, time.process_time()
    objects = run.to_json().count("\n")
    took["JSON"] = time.process_time() - began
    show(
        rows=rows,
        received=received,
        nulls=nulls,
        written=[lines, objects],
        seconds=took,
        grown_bytes=grown << 10,
    )


ROLES = {
    role.__name__: role for role in (server, reflector, relay, ping, load, monitor, ear, senders, results)
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](json.loads(sys.stdin.read() if sys.argv[2] == "-" else sys.argv[2]))
