"""Watch five senders on this machine, and see what is said when something happens to four of them.

    python examples/watch_a_fleet.py

One loses every fifth heartbeat on its way, one ends with an exit status, one is killed and started again,
one is stopped for a while. Everything is real: processes, signals, sockets. It takes some seconds.
"""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import udpping

INTERVAL = 0.1
MISSES = 25


def lossy_way(to: tuple[str, int]) -> tuple[str, int]:
    """Pass datagrams on to somebody, but not every fifth; give back where to send them."""
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.bind(("127.0.0.1", 0))

    def pass_on() -> None:
        number = 0
        while True:
            datagram = way.recv(2048)
            number += 1
            if number % 5:
                way.sendto(datagram, to)

    threading.Thread(target=pass_on, daemon=True).start()
    host, port = way.getsockname()
    return host, port


def process(name: str, monitor: udpping.Monitor) -> subprocess.Popen[bytes]:
    """Start a sender in a process of its own."""
    target = "{}:{}".format(*monitor.address)
    command = ["udpping", "heartbeat", target, "--id", name, "--interval", str(INTERVAL)]
    return subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def sender(name: str, to: tuple[str, int]) -> udpping.Heartbeat:
    """Start a sender in this process."""
    heartbeat = udpping.Heartbeat(*to, id=name, interval=INTERVAL)
    heartbeat.start()
    return heartbeat


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what must happen."""
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.01)


def tell(event: udpping.MonitorEvent) -> None:
    """Print what is more than a heartbeat that is late, as happens."""
    if event.is_notable:
        print(event.message, flush=True)
        told[event.client] = event.event


told: dict[str | None, str] = {}
"""The latest of each client."""


def main() -> None:
    """Let things happen, one after the other."""
    with udpping.Monitor("127.0.0.1", 0, detector=f"fixed:{MISSES}", on_event=tell) as monitor:

        def state(name: str) -> str | None:
            return next((row.state for row in monitor.peers if row.client == name), None)

        def came(name: str) -> int:
            return next((row.received for row in monitor.peers if row.client == name), 0)

        well = sender("well", monitor.address)
        lossy = sender("lossy", lossy_way(monitor.address))
        job = sender("job", monitor.address)
        killed, asleep = process("killed", monitor), process("asleep", monitor)
        wait_until(lambda: min(map(came, ("well", "lossy", "job", "killed", "asleep"))) >= 10)

        job.stop(3)
        wait_until(lambda: state("job") == "bye")

        killed.kill()
        wait_until(lambda: state("killed") == "down")
        again = process("killed", monitor)
        wait_until(lambda: state("killed") == "up")

        asleep.send_signal(signal.SIGSTOP)
        wait_until(lambda: state("asleep") == "down")
        asleep.send_signal(signal.SIGCONT)
        wait_until(lambda: told["asleep"] == "up")

        print(f"\n{monitor.status()}\n")
        for each in (again, asleep):
            each.terminate()
        for each in (killed, again, asleep):
            each.wait()
        for each in (well, lossy):
            each.stop()


if __name__ == "__main__":
    main()
