"""Ctrl-C: real signals to real processes. It comes through at once, and what was measured is not lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
import udpping
from common import send_all, wait_until, waits
from udpping._services.session import Session
from udpping.testing import FarEnd, Reply

pytestmark = pytest.mark.python

# Seconds, with the end of the process, on a busy machine: what is interrupted would wait for a minute.
# tests/test_errors.py holds the time from the signal to the exception.
AT_ONCE = 10
# Starts with the far end's host and port in `target`; whoever is interrupted shows what there is.
PREFACE = """
import json, sys, udpping
target = sys.argv[1], int(sys.argv[2])

def show(run, **more):
    print(json.dumps({
        "rows": [[row.target, row.seq, row.status] for row in run],
        "sent": run.summary.sent,
        "pending": run.summary.pending,
        "last": udpping.last_run is run,
        **more,
    }), flush=True)
"""
CALLS = {
    "ping": "udpping.ping(*target, count=100, timeout=60)",
    "ping with an interval": "udpping.ping(*target, count=1_000, interval=0.2, timeout=60)",
    "Pinger.run": "udpping.Pinger(*target, count=None, timeout=60).run()",
    "Pinger, iterated": "list(udpping.Pinger(*target, count=None, timeout=60))",
    "ping_many": "udpping.ping_many([target], count=100, timeout=60)",
}


THREE = 3 * [Reply(after=0.05)]
"""Answers to three pings, each after a while."""


def interrupt(script: str, far: FarEnd) -> tuple[int, str, str, float]:
    """Run a script, interrupt it when its requests are there: exit code, output, errors, seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREFACE + script, *map(str, far.address)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        far.wait(4)
        # Whoever called has taken the third row once it waits for the third time from now on.
        before = waits(process.pid)
        wait_until(lambda: waits(process.pid) >= before + 3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
        return process.returncode, output, errors, time.monotonic() - sent
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_interrupted_carries_the_rows_so_far(call: str) -> None:
    script = f"""
try:
    {call}
except udpping.Interrupted as interrupted:
    show(interrupted.run, text=str(interrupted), keyboard=isinstance(interrupted, KeyboardInterrupt))
"""
    with FarEnd(THREE) as far:
        code, output, errors, seconds = interrupt(script, far)
    assert code == 0, errors
    told = json.loads(output)
    target = f"127.0.0.1:{far.address[1]}"
    assert told["rows"] == [[target, seq, "reply"] for seq in (1, 2, 3)]
    assert (told["sent"], told["pending"]) == (3, len(far.received) - 3)
    assert told["last"]
    assert told["keyboard"]
    assert "last_run" in told["text"]
    assert seconds < AT_ONCE


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_when_nobody_catches_it_the_program_fails_and_says_where_the_rows_were(call: str) -> None:
    """With 1: CPython dies by the signal for KeyboardInterrupt proper, not for what derives from it."""
    with FarEnd(THREE) as far:
        code, _, errors, seconds = interrupt(call, far)
    assert code in {1, -signal.SIGINT}
    assert errors.rstrip().splitlines()[-1].startswith("udpping.errors.Interrupted: stopped after 3 pings")
    assert seconds < AT_ONCE


def test_it_keeps_the_rows_even_when_it_comes_with_the_first_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Session.start

    def and_then_interrupted(session: Session) -> None:
        start(session)
        signal.raise_signal(signal.SIGINT)

    with FarEnd() as far:
        monkeypatch.setattr(Session, "start", and_then_interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            udpping.ping(*far.address, count=3)
    assert isinstance(caught.value, udpping.Interrupted)
    assert udpping.last_run is caught.value.run


def test_it_comes_through_while_another_thread_holds_the_cpu() -> None:
    script = """
import threading

def hold():
    while True:
        sum(range(1000))

threading.Thread(target=hold, daemon=True).start()
try:
    udpping.ping(*target, count=100, timeout=60)
except udpping.Interrupted as interrupted:
    show(interrupted.run)
"""
    with FarEnd(THREE) as far:
        code, output, errors, seconds = interrupt(script, far)
    assert code == 0, errors
    assert len(json.loads(output)["rows"]) == 3
    assert seconds < AT_ONCE


def test_a_handler_of_the_user_s_own_runs_and_the_run_goes_on() -> None:
    script = """
import signal
signal.signal(signal.SIGINT, lambda *_: print("handled", flush=True))
show(udpping.ping(*target, count=5, timeout=2, linger=0))
"""
    with FarEnd(THREE) as far:
        code, output, errors, _ = interrupt(script, far)
    assert code == 0, errors
    handled, told = output.splitlines()
    assert handled == "handled"
    assert [status for _, _, status in json.loads(told)["rows"]] == ["reply"] * 3 + ["timeout"] * 2


def test_aio_is_cancelled_and_its_pings_stop() -> None:
    """On Ctrl-C asyncio cancels the main task, and ends with KeyboardInterrupt."""
    script = """
import asyncio

async def main():
    try:
        await udpping.aio.ping(*target, count=100, timeout=60)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise

asyncio.run(main())
"""
    with FarEnd(THREE) as far:
        code, output, errors, seconds = interrupt(script, far)
    assert output == "cancelled\n"
    assert code == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert seconds < AT_ONCE


def test_a_simulation_can_be_interrupted() -> None:
    script = """
import udpping
try:
    print("begins", flush=True)
    udpping.sim.ping(count=500_000_000, interval=1)
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "begins\n"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert (output, process.returncode) == ("interrupted\n", 0)
    assert time.monotonic() - sent < AT_ONCE


@pytest.mark.parametrize("caught", [False, True])
def test_serve_forever_prints_its_counters(caught: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    script = """
import sys, udpping
server = udpping.Server(port=0, loss="every:3")
print(server.address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    if sys.argv[1] == "False":
        raise
    print(server.running)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(caught)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        run = udpping.ping("127.0.0.1", port, count=5, interval=0.01, timeout=5, linger=0)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        seconds = time.monotonic() - sent
    finally:
        process.kill()
        process.wait()
    assert run.summary.received == 4
    told, *rest = output.strip().splitlines()
    assert told == "5 received, 4 answered, 1 dropped on purpose"
    assert rest == (["False"] if caught else [])
    assert process.returncode == (0 if caught else -signal.SIGINT)
    assert seconds < AT_ONCE


def test_a_server_in_the_background_outlives_the_interrupted_ping() -> None:
    """Ctrl-C in one cell of a notebook must not end the server of another."""
    with udpping.Server(port=0) as server, FarEnd(THREE) as far:
        script = f"""
with udpping.Server(port=0) as server:
    try:
        udpping.ping(*target, count=100, timeout=60)
    except udpping.Interrupted:
        pass
    run = udpping.ping(*server.address, count=2, timeout=5)
    udpping.ping("127.0.0.1", {server.address[1]}, count=1, timeout=5)
    show(run)
"""
        code, output, errors, _ = interrupt(script, far)
        send_all(server, [b"x"])
    assert code == 0, errors
    assert [status for _, _, status in json.loads(output)["rows"]] == ["reply"] * 2
    assert server.counters.received == 2


def test_an_event_of_a_server_that_comes_together_with_a_signal_is_not_lost() -> None:
    script = """
import os, signal, socket, threading, time, udpping

class Interrupt(BaseException):
    pass

def interrupt(*_):
    raise Interrupt

signal.signal(signal.SIGUSR1, interrupt)
with udpping.Server(port=0) as server:
    server.follow()

    def disturb():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            begun.wait()
            for number in range(20):
                os.kill(os.getpid(), signal.SIGUSR1)
                time.sleep(0.01)
                sender.sendto(b"%d" % number, server.address)
                # What was returned and not kept yet would be lost in Python itself.
                end = time.monotonic() + 10
                while len(messages) <= number and time.monotonic() < end:
                    time.sleep(0.01)
        server.stop()

    messages, begun = [], threading.Event()
    thread = threading.Thread(target=disturb)
    thread.start()
    going = True
    while going:
        try:
            begun.set()
            while event := next(server.follow(), None):
                messages.append(event.message)
            going = False
        except Interrupt:
            pass
    print(len(messages), len(set(messages)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == ("20 20\n", "")
