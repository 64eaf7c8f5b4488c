"""The official client, beside the textbook's server."""

from udpping.lab._program import Program
from udpping.lab.compat import Originals, World, book

PINGS = 10


def pinger_client(world: World, program: Program) -> None:
    for number in range(1, PINGS + 1):
        began = world.time()
        try:
            world.send(f"Ping {number} {world.ctime(began)}".encode(), (program.host, program.port))
            reply, (host, _) = world.receive(1024)
            took = world.time() - began
            world.say(f"Reply from {host}: {reply.decode()}\nRTT: {took}")
        except BaseException:  # noqa: BLE001 - that is the bug
            world.say("Request timed out.")
    world.close()


ORIGINALS: Originals = {
    "PingerClient": (
        pinger_client,
        "takes any datagram for the reply, and everything else for a timeout, Ctrl-C too",
    ),
    "PingerServer": book.ORIGINALS["PingerServer"],
}
