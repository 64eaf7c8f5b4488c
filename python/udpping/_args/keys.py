"""Keys for heartbeats: from a file or from the environment, never from a command line."""

import os
import stat

from udpping._args import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.checks import Path

VARIABLE = "UDPPING_KEY"
"""The environment variable that holds keys, written as in a key file."""
MOST_BYTES = 1 << 24
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)


def read_keys(name: str, path: "Path | None") -> str | None:
    """Read the keys from a file, or else from the environment."""
    if path is None:
        return os.environ.get(VARIABLE) or None
    # A pipe that nobody writes to would be waited for.
    with os.fdopen(os.open(checks.path(name, path), os.O_RDONLY | NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            expected = f"a regular file; what comes from a pipe can be put into the environment as {VARIABLE}"
            raise checks.refuse(name, path, expected)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise checks.refuse(name, path, f"a file of at most {MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise checks.refuse(name, path, "a file of text, with `name secret` on each line") from None
