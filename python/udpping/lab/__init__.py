"""The networking course's programs, with the same names and output and without their bugs.

`udpping lab DIR` writes them. What they send, lose and print is a profile: one short file here, with a class
for each of the four programs. `udpping lab --list` explains the profiles.

>>> from udpping import lab
>>> tally = lab.profile("slides").PingerClient(count=1).rehearse(delay="1ms")
-----
Starting Ping
-----
<BLANKLINE>
Sent Ping 1 Tue Nov 14 22:13:20 2023
Received b'PING 1 TUE NOV 14 22:13:20 2023'
Time: 1.0 Milliseconds
<BLANKLINE>
Finish ping, closing socket
-----
Statistics
Average RTT: 1.0 Milliseconds
Max RTT: 1.0 Milliseconds
Min RTT: 1.0 Milliseconds
Packet Loss: 0%
-----
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from udpping.errors import ConfigError, UdppingError
from udpping.lab._program import note

if TYPE_CHECKING:
    from udpping.lab._client import Client
    from udpping.lab._oneway import Sender, Watcher
    from udpping.lab._program import Program
    from udpping.lab._server import Server

__all__ = ["DEFAULT", "SCRIPTS", "Profile", "main", "names", "profile", "program"]

DEFAULT = "book"
SCRIPTS = {
    "UDPPingerServer.py": "PingerServer",
    "UDPPingerClient.py": "PingerClient",
    "UDPHeartbeatServer.py": "HeartbeatServer",
    "UDPHeartbeatClient.py": "HeartbeatClient",
}
"""The course's names, and what a profile calls these programs."""


class Profile(Protocol):
    """What the file of a profile holds."""

    FROM: str
    """Where it comes from."""
    PRINTS: str
    """What it prints."""
    PingerServer: "type[Server]"
    PingerClient: "type[Client]"
    HeartbeatServer: "type[Server | Watcher]"
    HeartbeatClient: "type[Client | Sender]"


def names() -> list[str]:
    """Name the profiles: the files in this folder, the default first.

    >>> from udpping import lab
    >>> lab.names()
    ['book', 'exercise', 'java', 'kurose', 'multi', 'notes', 'report', 'slides']
    """
    found = {path.stem for home in __path__ for path in Path(home).glob("*.py")}
    return sorted(
        (name for name in found if name.islower() and name[0] != "_"), key=lambda n: (n != DEFAULT, n)
    )


def profile(name: str) -> Profile:
    """Give the profile of that name. ConfigError for others.

    >>> from udpping import lab
    >>> lab.profile("slides").PingerServer.loss
    'randint:1,10,4'
    """
    if name not in names():
        known = ", ".join(names())
        raise ConfigError(f"profile {name!r} is not known: expected {known}; see udpping lab --list")
    return cast("Profile", import_module(f"udpping.lab.{name}"))


def program(script: str, words: list[str] | None = None, default: str = DEFAULT) -> "Program":
    """Make a script's program, with the profile and the options that its command line asks for.

    >>> from udpping import lab
    >>> client = lab.program("UDPPingerClient.py", ["192.0.2.7", "--profile", "report"])
    >>> client.host, client.port
    ('192.0.2.7', 12000)
    """
    from udpping.lab._options import read

    return read(script, words, default)


def main(script: str, default: str = DEFAULT, words: list[str] | None = None) -> int:
    """Run a script, by its name and with the profile that is its default; give back its exit code."""
    try:
        return program(script, words, default).run()
    except UdppingError as error:
        note(f"{script.removesuffix('.py')}: {error}")
        return 2
