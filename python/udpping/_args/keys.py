"""Keys for heartbeats and for STAMP: from a file or the environment, never from a command line."""

import os
import stat

from udpping._args import checks
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.checks import Path

VARIABLE = "UDPPING_KEY"
"""The environment variable that holds keys of heartbeats, written as in a key file."""
STAMP_VARIABLE = "UDPPING_STAMP_KEY"
"""The same for STAMP."""
MOST_BYTES = 1 << 24
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)


def read_keys(name: str, path: "Path | None", variable: str = VARIABLE) -> str | None:
    """Read the keys from a file, or else from the environment."""
    if path is None:
        return os.environ.get(variable) or None
    place = checks.path(name, path)
    if "\0" in place:
        raise ConfigError(f"{name} is not usable: expected the path of a file, without NUL")
    try:
        # A pipe that nobody writes to would be waited for.
        opened = os.open(place, os.O_RDONLY | NONBLOCK)
    except OSError as error:
        raise OSError(error.errno, f"{_failure(place)}: {error.strerror}") from None
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            expected = f"a regular file; what comes from a pipe can be put into the environment as {variable}"
            raise checks.refuse(name, path, expected)
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise checks.refuse(name, path, f"a file of at most {MOST_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise checks.refuse(name, path, "a file of text, with `name secret` on each line") from None


def _failure(place: str) -> str:
    """Say what cannot be read, without what may be a secret in place of a path."""
    if os.path.lexists(place):
        return f"cannot read the keys in {place}"
    return "cannot read the keys in the file of that name (not shown, as it may be a secret by mistake)"


def exposed(path: "Path | None") -> str | None:
    """Return a warning if everybody may read a file of keys."""
    if path is None or os.name != "posix":
        return None
    place = os.fsdecode(path)
    if not os.stat(place).st_mode & stat.S_IROTH:  # noqa: PTH116 - pathlib takes long to import
        return None
    return f"warning: everybody on this machine can read the keys in {place}: chmod 600 {place}"


def environ() -> dict[str, str]:
    """Return the environment for other programs, without the keys."""
    return {name: value for name, value in os.environ.items() if name not in (VARIABLE, STAMP_VARIABLE)}
