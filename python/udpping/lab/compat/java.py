"""The server of the lab in Java."""

from udpping.lab._program import Program, shown
from udpping.lab.compat import Originals, World

BUFFER = 1024
LOSS = 0.3
MOST_DELAY = 200  # milliseconds


def pinger_server(world: World, _program: Program) -> None:
    while True:
        message, client = world.receive(BUFFER)
        line = message.splitlines()[0] if message else b""
        world.say(f"Received from {client[0]}: {shown(line)}")
        if world.chance() < LOSS:
            world.say("   Reply not sent.")
            continue
        world.sleep(int(world.chance() * MOST_DELAY) / 1000)
        world.send(message.ljust(BUFFER, b"\0"), client)
        world.say("   Reply sent.")


ORIGINALS: Originals = {
    "PingerServer": (
        pinger_server,
        "sleeps before each reply, so that a second client waits for the first one's delay",
    ),
}
