"""Finds and loads the profiles, and types what the module of one defines."""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from udpping.errors import ConfigError

if TYPE_CHECKING:
    from udpping.lab._client import Client
    from udpping.lab._oneway import Sender, Watcher
    from udpping.lab._server import Server

DEFAULT = "book"
SCRIPTS = {
    "UDPPingerServer.py": "PingerServer",
    "UDPPingerClient.py": "PingerClient",
    "UDPHeartbeatServer.py": "HeartbeatServer",
    "UDPHeartbeatClient.py": "HeartbeatClient",
}
"""The course's scripts, and the names of their classes in a profile."""


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
    folders = sys.modules["udpping.lab"].__path__
    found = {path.stem for folder in folders for path in Path(folder).glob("*.py")}
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
