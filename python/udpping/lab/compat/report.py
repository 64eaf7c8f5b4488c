"""The client and the heartbeat pair of the report, beside the textbook's server."""

from udpping.lab._client import Client
from udpping.lab._program import Program
from udpping.lab.compat import Originals, World, book

LOST_BELOW = 4
PLANNED_PINGS = 10
MISSES = 3


def pinger_client(world: World, program: Program) -> None:
    times: list[float] = []
    lost = 0
    for number in range(1, asked(program, PLANNED_PINGS) + 1):
        message = f"Ping {number} {world.time()}"
        try:
            world.send(message.encode(), (program.host, program.port))
            began = world.time()
            reply, _ = world.receive(1024)
        except TimeoutError:
            world.say("Request timed out")
            lost += 1
            continue
        took = world.time() - began
        times.append(took)
        world.say(f"Reply from {program.host}: {reply.decode()}\nRTT: {took:.6f} seconds")
    say_counts(world, "Ping", PLANNED_PINGS, lost)
    if times:
        low, high, mean = min(times), max(times), sum(times) / len(times)
        world.say(f"RTTs: Min = {low:.6f}s, Max = {high:.6f}s, Avg = {mean:.6f}s")
    world.shut_down()
    world.close()


def heartbeat_client(world: World, program: Program) -> None:
    sent = lost = in_a_row = 0
    for number in range(1, asked(program, 1000) + 1):
        message = f"Ping {number} {world.time()}"
        sent += 1
        try:
            world.send(message.encode(), (program.host, program.port))
            reply, _ = world.receive(1024)
            world.time()
            answered, seconds = reply.decode().split()
            difference = float(seconds)
        except TimeoutError:
            lost += 1
            in_a_row += 1
            world.say(f"Heartbeat {number}: Request timed out")
            if in_a_row == MISSES:
                world.say("Server is down! 3 consecutive heartbeat responses were missed.")
                break
        else:
            world.say(f"Received heartbeat response {answered}: Time difference = {difference:.6f} seconds")
            in_a_row = 0
    say_counts(world, "Heartbeat", sent, lost)
    world.shut_down()
    world.close()


def asked(program: Program, planned: int) -> int:
    return program.count if isinstance(program, Client) else planned


def say_counts(world: World, title: str, total: int, lost: int) -> None:
    counts = f"Sent = {total}, Received = {total - lost}, Lost = {lost}"
    world.say(f"\n--- {title} statistics ---\nPackets: {counts} ({lost / total * 100}% packet loss)")


def heartbeat_server(world: World, _program: Program) -> None:
    world.say("The server is ready to receive heartbeats...")
    while True:
        number = world.draw(0, 10)
        message, client = world.receive(1024)
        if number < LOST_BELOW:
            continue
        text = message.decode()
        world.say(f"Received message: {text}")
        _, seq, sent = text.split()
        world.send(f"{seq} {world.time() - float(sent):.6f}".encode(), client)


ORIGINALS: Originals = {
    "PingerClient": (
        pinger_client,
        "takes any datagram for the reply, counts over ten whatever was asked, and crashes as it closes",
    ),
    "PingerServer": book.ORIGINALS["PingerServer"],
    "HeartbeatClient": (
        heartbeat_client,
        "takes any datagram for the reply, crashes on one that is not two words, and again as it closes",
    ),
    "HeartbeatServer": (
        heartbeat_server,
        "crashes on a heartbeat that is not three words, a number at the end",
    ),
}
