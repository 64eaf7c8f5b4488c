"""The four programs of the slides."""

from udpping.lab._program import Program
from udpping.lab.compat import Originals, World

LOST_BELOW = 4
PLANNED_PINGS = 10
PLANNED_HEARTBEATS = 1000
MAX_MISSES = 3
BUFFER = 4096


def pinger_client(world: World, program: Program) -> None:
    while True:
        world.ask("\nPress any key to start...\n")
        say_frame(world, "Ping")
        world.open()
        times: list[float] = []
        stopped: BaseException | None = None
        try:
            for number in range(1, PLANNED_PINGS + 1):
                began = world.time()
                took = exchange(world, program, f"Ping {number} {world.ctime(began)}", number, began)
                times += [] if took is None else [took]
        except BaseException as error:  # noqa: BLE001 - it is raised again, or not: that is the bug
            stopped = error
        world.say("Finish ping, closing socket\n-----\nStatistics")
        if not times:
            # The original catches its division by zero here, and drops the error that ended the run.
            world.say("Server Is Down: No packets received")
            world.close()
            continue
        say_times(world, times)
        world.say(f"Packet Loss: {(PLANNED_PINGS - len(times)) * 10}%\n-----")
        world.close()
        if stopped:
            raise stopped


def heartbeat_client(world: World, program: Program) -> None:
    misses = 0
    while True:
        world.ask("\nPress any key to start...")
        say_frame(world, "Heartbeat")
        world.open()
        times: list[float] = []
        try:
            for number in range(PLANNED_HEARTBEATS):
                began = world.time()
                took = exchange(world, program, f"{number} {began}", number, began)
                if took is not None:
                    times.append(took)
                    misses = 0
                    continue
                misses += 1
                if misses >= MAX_MISSES:
                    world.say("Server is assumed to be down after 3 consecutive misses.")
                    break
        finally:
            world.say("Finish heartbeat, closing socket\n-----\nStatistics")
            if times:
                say_times(world, times)
                lost = PLANNED_HEARTBEATS - len(times)
                world.say(f"Packet Loss: {lost * 100 / PLANNED_HEARTBEATS}%\n-----")
                world.close()


def exchange(world: World, program: Program, message: str, number: int, began: float) -> float | None:
    """Send, and receive the first datagram; return the seconds that took, printing included."""
    try:
        world.send(message.encode(), (program.host, program.port))
        world.say(f"Sent {message}")
        data, _ = world.receive(BUFFER)
    except TimeoutError:
        world.say(f"#{number} Requested Timed out\n")
        return None
    world.say(f"Received {data!r}")
    took = world.time() - began
    world.say(f"Time: {took * 1000} Milliseconds\n")
    return took


def say_frame(world: World, title: str) -> None:
    world.say(f"-----\nStarting {title}\n-----\n")


def say_times(world: World, times: list[float]) -> None:
    world.say(f"Average RTT: {sum(times) / len(times) * 1000} Milliseconds")
    world.say(f"Max RTT: {max(times) * 1000} Milliseconds")
    world.say(f"Min RTT: {min(times) * 1000} Milliseconds")


def pinger_server(world: World, program: Program) -> None:
    say_start(world, program)
    while True:
        number = world.draw(1, 10)
        message, client = world.receive(1024)
        if number >= LOST_BELOW:
            world.send(message.upper(), client)


def heartbeat_server(world: World, program: Program) -> None:
    say_start(world, program)
    while True:
        number = world.draw(1, 10)
        message, client = world.receive(1024)
        arrived = world.time()
        if number >= LOST_BELOW:
            seq, sent = message.decode().split()
            world.send(f"{seq} {arrived - float(sent)}".encode(), client)


def say_start(world: World, program: Program) -> None:
    world.say(f"Started UDP Server IP Address: {program.host} and Port: {program.port}")


ORIGINALS: Originals = {
    "PingerClient": (
        pinger_client,
        "takes any datagram for the reply, times its own printing, and has no loss to tell if all is lost",
    ),
    "PingerServer": (
        pinger_server,
        "handles no error: Ctrl-C ends it with a traceback",
    ),
    "HeartbeatClient": (
        heartbeat_client,
        "counts the loss over 1,000 heartbeats, however few it sent, and misses from one run to the next",
    ),
    "HeartbeatServer": (
        heartbeat_server,
        "crashes on a heartbeat that is not two words, a number at the end",
    ),
}
