"""Server, monitors, relay, reflector and very many senders in namespaces, with a network that does its worst.

The link between both sides goes down, its queue overflows, addresses change, processes are stopped and
killed. At the end it is left in peace, and every count is held against the kernel's and against what
was sent. Meanwhile the memory of each service is measured: one that grows for longer than it learns is
a leak.

    python tools/soak_net.py HOURS [SEED] [SENDERS]
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

SENDERS = 1_000
GROUPS = 5  # processes of senders; the first is never killed
OWN = 100  # senders to the monitor that is killed
FAR, NEAR = "10.99.0.1", "10.99.0.{}"
PORTS = {"Server": 12000, "Monitor": 12001, "Relay": 12002, "Reflector": 8620}
SAMPLE = 5.0  # seconds from one look at the memory to the next
BLOCKS = 12  # of samples, whose means are taken as independent
T = 2.228  # 97.5 % of Student's t with 10 degrees of freedom
LEAK = 4 << 20  # bytes in the whole time: what allocators keep for fragments is less

COMMON = """
import json, resource, sys, time, udpping
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
arguments = json.loads(sys.argv[1])

def answer(**values):
    print(json.dumps(values), flush=True)

def facts(it):
    names = [name for name in dir(it) if name[0] != "_"]
    values = {name: getattr(it, name) for name in names}
    return {name: value for name, value in values.items() if value is None or isinstance(value, int)}
"""
SERVICE = """
kind = arguments.pop("kind")
with getattr(udpping, kind)(**arguments) as service:
    answer()
    for line in sys.stdin:
        counters = service.counters
        if kind == "Relay":
            answer(up=facts(counters.up), down=facts(counters.down))
        elif kind == "Monitor":
            rows = service.peers
            names = ["client", "state", "received", "lost", "duplicates"]
            answer(rows=[[getattr(row, name) for name in names] for row in rows], **facts(counters))
        else:
            answer(**facts(counters))
"""
SENDER = """
names = [f"{arguments['name']}-{number}" for number in range(arguments["count"])]
senders = [udpping.Heartbeat(**arguments["to"], id=name) for name in names]
for sender in senders:
    sender.start()
answer()
sys.stdin.readline()
for sender in senders:
    sender.stop()
for sender in senders:
    sender.wait(30)
answer(sent={sender.id: sender.sent for sender in senders})
"""
PINGER = """
pinger = udpping.Pinger(**arguments)
answer()
import threading
threading.Thread(target=lambda: (sys.stdin.readline(), pinger.stop()), daemon=True).start()
for row in pinger:
    pass
answer(**facts(pinger.summary))
"""


def run(*words: str, check: bool = True) -> bool:
    """Run a command, and say whether it succeeded."""
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return done.returncode == 0


class Process:
    """A script that answers lines of JSON, behind a command that leads into a namespace."""

    def __init__(self, script: str, arguments: dict[str, Any], inside: list[str] | None = None) -> None:
        """Keep what it needs; `start` starts it."""
        code = COMMON + script
        self.command = [*(inside or []), sys.executable, "-W", "ignore", "-c", code, json.dumps(arguments)]
        self.started: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.started = [process]
        self.answer()

    def answer(self) -> dict[str, Any]:
        """Read a line of it."""
        for line in self.started[0].stdout or []:
            answer: dict[str, Any] = json.loads(line)
            return answer
        raise RuntimeError(f"it ended with {self.started[0].wait()}: {self.command[-1]}")

    def ask(self) -> dict[str, Any]:
        """Send it a line, and read its answer."""
        print(file=self.started[0].stdin, flush=True)
        return self.answer()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.started[0].send_signal(number)

    def kill(self) -> None:
        """Kill it, as a machine that runs out of memory does."""
        for process in self.started:
            process.kill()
            process.communicate()
        self.started = []

    def memory(self) -> int:
        """Give the bytes that it has in memory."""
        pages = Path(f"/proc/{self.started[0].pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")


class World:
    """Both sides of the link, and what runs there."""

    def __init__(self, seed: int, senders: int, folder: str) -> None:
        """Make the namespaces and start everything."""
        self.draw = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.done: dict[str, int] = {}
        self.other = Process("answer(); sys.stdin.read()", {}, ["unshare", "-n"])
        self.other.start()
        other = self.other.started[0].pid
        self.inside = ["nsenter", f"--net=/proc/{other}/ns/net"]
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(other))
        self.address = 2
        run("ip", "address", "add", NEAR.format(self.address) + "/24", "dev", "near")
        run("ip", "link", "set", "near", "up")
        run(*self.inside, "ip", "address", "add", f"{FAR}/24", "dev", "far")
        for device in ("lo", "far"):
            run(*self.inside, "ip", "link", "set", device, "up")
        at = {"host": FAR}
        up, down = "rate=64kbit/s; queue=2KiB; loss=1%", "duplicate=1%,1"
        self.services = {
            "Server": self.service("Server", **at, loss=0.1, delay="uniform:1ms,30ms"),
            "Monitor": self.service("Monitor", **at, losses=True),
            "Relay": self.service("Relay", **at, to=f"{FAR}:{PORTS['Server']}", up=up, down=down),
            "Reflector": self.service("Reflector", **at),
        }
        state = {"host": "127.0.0.1", "state": f"{folder}/state", "kind": "Monitor", "port": 12009}
        self.watcher = Process(SERVICE, state)
        to = {"host": FAR, "port": PORTS["Monitor"], "interval": 1.0, "jitter": 0.2}
        each = senders // GROUPS
        groups = [{"name": f"group{number}", "count": each, "to": to} for number in range(GROUPS)]
        self.senders = [Process(SENDER, group) for group in groups]
        own = {"host": "127.0.0.1", "port": 12009, "interval": 1.0}
        self.own = Process(SENDER, {"name": "own", "count": OWN, "to": own})
        ping = {"host": FAR, "count": None, "interval": 0.02, "keep": 100}
        self.pingers = [
            Process(PINGER, {**ping, "port": PORTS["Relay"]}),
            Process(PINGER, {**ping, "port": PORTS["Reflector"], "protocol": "stamp"}),
            Process(PINGER, {**ping, "port": PORTS["Relay"]}),
        ]
        self.victims = [*self.senders[1:], self.own, self.watcher, self.pingers[2]]
        for process in [*self.services.values(), self.watcher, *self.senders, self.own, *self.pingers]:
            process.start()
        # A client that is heard once and no more is forgotten, and its count with it.
        while {row[1] for each in (self.services["Monitor"], self.watcher) for row in each.ask()["rows"]} != {
            "up"
        }:
            time.sleep(0.5)
        self.has_tbf = self.queue("400kbit")
        self.queue("")

    def service(self, kind: str, **arguments: object) -> Process:
        """Make a service on the far side."""
        return Process(SERVICE, {"kind": kind, "port": PORTS[kind], **arguments}, self.inside)

    def queue(self, rate: str) -> bool:
        """Give the near end of the link a short queue of this rate, or none."""
        if not rate:
            return run("tc", "qdisc", "del", "dev", "near", "root", check=False)
        words = f"tc qdisc replace dev near root tbf rate {rate} burst 5k limit 20k"
        return run(*words.split(), check=False)

    def disturb(self) -> None:
        """Let one bad thing happen, and end."""
        draw = self.draw
        kind = draw.choice(["flap", "flap", "move", "queue", "kill", "kill", "stop", "rest"])
        self.done[kind] = self.done.get(kind, 0) + 1
        if kind == "flap":
            run("ip", "link", "set", "near", "down")
            time.sleep(draw.uniform(0.2, 8))
            run("ip", "link", "set", "near", "up")
        elif kind == "move":
            old, self.address = self.address, 2 + (self.address - 1) % 250
            run("ip", "address", "add", NEAR.format(self.address) + "/24", "dev", "near")
            run("ip", "address", "del", NEAR.format(old) + "/24", "dev", "near")
            # Without its first address, an interface loses the others of the same network.
            run("ip", "address", "replace", NEAR.format(self.address) + "/24", "dev", "near")
        elif kind == "queue" and self.has_tbf:
            self.queue(draw.choice(["100kbit", "400kbit", "1mbit"]))
            time.sleep(draw.uniform(2, 8))
            self.queue("")
        elif kind == "kill":
            victim = draw.choice(self.victims)
            victim.kill()
            time.sleep(draw.uniform(0.1, 3))
            victim.start()
        elif kind == "stop":
            victim = draw.choice([*self.services.values(), self.watcher])
            victim.signal(signal.SIGSTOP)
            time.sleep(draw.uniform(0.1, 3))
            victim.signal(signal.SIGCONT)

    def kernel(self) -> dict[str, int]:
        """Give the kernel's counts of UDP of the far side."""
        text = subprocess.check_output([*self.inside, "cat", "/proc/net/snmp"], text=True)
        names, values = [line.split()[1:] for line in text.splitlines() if line.startswith("Udp:")]
        return dict(zip(names, map(int, values), strict=True))

    def finish(self) -> list[str]:
        """Leave the network in peace, stop the senders, and hold every count against the truth."""
        time.sleep(15)  # a round of heartbeats, and the longest wait between two tries of a sender
        # The pingers first: what is on the way has then come.
        pings = [pinger.ask() for pinger in self.pingers]
        sent: dict[str, int] = {}
        for group in self.senders:
            sent |= group.ask()["sent"]
        self.own.ask()
        time.sleep(3)
        server, monitor, relay, reflector = (service.ask() for service in self.services.values())
        watched, kernel = self.watcher.ask(), self.kernel()
        up, down = relay["up"], relay["down"]
        all_of_them = [server, monitor, up, down, reflector]
        rows: dict[str, list[Any]] = {row[0]: row[1:] for row in monitor["rows"]}

        ends = ["sent", "dropped", "queue_drops", "errors", "waiting"]
        pairs = {
            "received, and by the kernel": (
                sum(each["received"] for each in all_of_them),
                kernel["InDatagrams"],
            ),
            "dropped by the kernel": (
                sum(each["kernel_drops"] for each in all_of_them),
                kernel["RcvbufErrors"],
            ),
            "the server: received, and what became of it": (
                server["received"] + server["copies"],
                sum(server[end] for end in ("answered", "dropped", "errors", "waiting")),
            ),
            **{
                f"the relay, {way}: received, and what became of it": (
                    relay[way]["received"] + relay[way]["duplicated"],
                    sum(relay[way][end] for end in ends),
                )
                for way in ("up", "down")
            },
            "from the relay to the server": (up["sent"], server["received"] + server["kernel_drops"]),
            "from the server to the relay": (server["answered"], down["received"] + down["kernel_drops"]),
            "received by the monitor, and of its clients": (
                monitor["received"],
                sum(row[1] + row[3] for row in rows.values()) + monitor["stale"],
            ),
            "clients of the monitor that was killed": (OWN, len(watched["rows"])),
            "clients without a goodbye": (0, sum(row[0] != "bye" for row in rows.values())),
        }
        for number, each in enumerate(pings):
            pairs[f"pinger {number}: sent, and what became of it"] = (
                each["sent"],
                each["received"] + each["lost"],
            )
        for client in filter(sent.get, sent):
            if client.startswith("group0-"):
                pairs[f"{client}: sent, and received or lost"] = sent[client], sum(rows[client][1:3])
        beats = sum(row[1] + row[2] for row in rows.values())
        print(f"{self.done}, tbf: {self.has_tbf}; {len(pairs)} counts compared")
        print(f"{beats:,} heartbeats of {len(rows)} clients, {sum(each['sent'] for each in pings):,} pings")
        print(
            f"{kernel['InDatagrams']:,} datagrams came to the far side, {kernel['RcvbufErrors']:,} found its"
        )
        print(f"buffer full, and {up['queue_drops']:,} the queue of the relay")
        return [f"{what}: {one} and {other}" for what, (one, other) in pairs.items() if one != other]

    def close(self) -> None:
        """End everything."""
        for process in [*self.services.values(), self.watcher, *self.senders, self.own, *self.pingers]:
            process.kill()
        self.other.kill()


def slope(times: list[float], values: list[int]) -> tuple[float, float]:
    """Give the slope of a line through means of blocks, and half its 95 % interval."""
    size = len(times) // BLOCKS
    blocks = [slice(n * size, (n + 1) * size) for n in range(BLOCKS)]
    xs, ys = [fmean(times[b]) for b in blocks], [fmean(values[b]) for b in blocks]
    x, y = fmean(xs), fmean(ys)
    spread = sum((each - x) ** 2 for each in xs)
    rate = sum((one - x) * (other - y) for one, other in zip(xs, ys, strict=True)) / spread
    rest = sum((other - y - rate * (one - x)) ** 2 for one, other in zip(xs, ys, strict=True))
    return rate, T * (rest / (BLOCKS - 2) / spread) ** 0.5


def soak(seconds: float, seed: int, senders: int) -> bool:
    """Make the world, disturb it for so long, and tell what was wrong."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(seed, senders, folder)
        try:
            began = time.monotonic()
            watched = {**world.services, "Pinger": world.pingers[0], "Heartbeat": world.senders[0]}
            times: list[float] = []
            memory: dict[str, list[int]] = {name: [] for name in watched}
            while (now := time.monotonic() - began) < seconds:
                # The first quarter is for what is learned and kept of each client.
                if now > seconds / 4 and (not times or now - times[-1] >= SAMPLE):
                    times.append(now)
                    for name, process in watched.items():
                        memory[name].append(process.memory())
                world.disturb()
                time.sleep(world.draw.uniform(0, 3))
            wrong = world.finish()
        finally:
            world.close()
    for name, values in memory.items():
        if len(times) < 2 * BLOCKS:
            break
        rate, half = slope(times, values)
        hourly = f"{rate * 3_600 / 1_024:+.0f} +- {half * 3_600 / 1_024:.0f} KiB an hour"
        print(f"{name}: {values[-1] / 2**20:.1f} MiB, {hourly}")
        if (rate - half) * (times[-1] - times[0]) > LEAK:
            wrong.append(f"{name} leaks {hourly}")
    for line in wrong[:40]:
        print(f"WRONG: {line}")
    print(f"seed {seed}, {senders} senders, {seconds:.0f} s: {'FAILED' if wrong else 'ok'}", flush=True)
    return not wrong


def main(hours: float, seed: int | None = None, senders: int = SENDERS) -> int:
    """Go into namespaces of our own, if this system gives any, and soak there."""
    if "--inside" in sys.argv:
        return not soak(3_600 * hours, seed or 1, senders)
    seed = random.getrandbits(32) if seed is None else seed
    has_programs = all(map(shutil.which, ("unshare", "nsenter", "ip", "tc")))
    if not has_programs or not run("unshare", "-rn", "true", check=False):
        print("NB: not run: this system gives no namespaces")
        return 0
    words = ["unshare", "-rn", sys.executable, __file__, str(hours), str(seed), str(senders), "--inside"]
    return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    hours, *rest = [word for word in sys.argv[1:] if word != "--inside"]
    sys.exit(main(float(hours), *map(int, rest)))
