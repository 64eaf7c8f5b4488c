"""The server that the textbook prints."""

from udpping.lab._program import Program
from udpping.lab.compat import Originals, World

LOST_BELOW = 4


def pinger_server(world: World, _program: Program) -> None:
    while True:
        number = world.draw(0, 10)
        message, client = world.receive(1024)
        if number >= LOST_BELOW:
            world.send(message.upper(), client)


ORIGINALS: Originals = {
    "PingerServer": (
        pinger_server,
        "handles no error: Ctrl-C, and on some systems a client that has gone, end it with a traceback",
    ),
}
