"""The client of the notes, beside the textbook's server."""

from udpping.lab._program import Program
from udpping.lab.compat import Originals, World, book

PINGS = 10


def pinger_client(world: World, program: Program) -> None:
    for number in range(1, PINGS + 1):
        began = world.time()
        try:
            world.send(f"Ping {number} {began}".encode(), (program.host, program.port))
            world.receive(1024)
            line = f"Reply from {program.host} RTT={world.time() - began:.4f}"
        except Exception:  # noqa: BLE001 - that is the bug
            line = "Requeset timed out"
        world.say(f"Sequence {number}: {line}")
    world.close()


ORIGINALS: Originals = {
    "PingerClient": (
        pinger_client,
        "takes any datagram for the reply, and any error for a timeout",
    ),
    "PingerServer": book.ORIGINALS["PingerServer"],
}
