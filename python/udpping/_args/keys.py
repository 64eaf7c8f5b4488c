"""Keys for heartbeats: from a file or from the environment, never from a command line."""

import os

from udpping._args import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.checks import Path

VARIABLE = "UDPPING_KEY"
"""The environment variable that holds keys, written as in a key file."""


def read_keys(name: str, path: "Path | None") -> str | None:
    """Read the keys from a file, or else from the environment."""
    if path is None:
        return os.environ.get(VARIABLE) or None
    with open(checks.path(name, path), "rb") as file:  # noqa: PTH123 - pathlib takes long to import
        content = file.read()
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise checks.refuse(name, path, "a file of text, with `name secret` on each line") from None
