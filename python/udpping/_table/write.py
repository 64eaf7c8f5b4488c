"""Writes tables for other programs: pandas, CSV, JSON, Parquet."""

# pyarrow has no types:
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import errno
import io
import os
import stat
import sys
from codecs import getwriter
from contextlib import contextmanager, nullcontext, suppress
from typing import cast

from udpping._args import checks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codecs import StreamWriter
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from gzip import GzipFile
    from typing import IO, BinaryIO, TypeAlias, TypeGuard

    import pandas as pd

    from udpping import _core
    from udpping._table.table import Target

    Text: TypeAlias = IO[str] | StreamWriter


def to_pandas(table: "_core.Table") -> "pd.DataFrame":
    """Build the frame from the columns' own memory, so that pandas alone is enough."""
    import pandas as pd

    return pd.DataFrame({name: _series(table, name) for name in table.column_names})


def write(
    table: "_core.Table",
    writer: "Callable[[_core.Table, Text, str | None], None]",
    path: "Target | None",
    metadata: str | None,
) -> str | None:
    """Call `writer` with the metadata to write to `path`, or return the text."""
    if path is None:
        whole = io.StringIO(newline="")
        writer(table, whole, metadata)
        return whole.getvalue()
    if is_text(path):
        writer(table, path, metadata)
        return None
    with destination(path) as file, packing(file, path) as stream:
        writer(table, getwriter("utf-8")(stream), metadata)
    return None


def is_text(target: "Target") -> "TypeGuard[Text]":
    """Whether it is a file that is open for text; one for bytes has no encoding."""
    return hasattr(target, "write") and hasattr(target, "encoding")


@contextmanager
def destination(target: "Target") -> "Generator[IO[bytes]]":
    """Yield a file to write bytes to: an open one, or the one at that path."""
    if hasattr(target, "write") and not is_text(target):
        yield cast("IO[bytes]", target)
        return
    try:
        path = os.fsdecode(cast("str", target))
    except TypeError:
        path = ""
    if not path or "\0" in path:
        raise checks.refuse("path", target, "the path of a file, or one that is open for writing")
    with in_place_of(path) as file:
        yield file


@contextmanager
def in_place_of(path: str) -> "Generator[BinaryIO]":
    """Yield a file to write to, which replaces the one at `path` when it is complete.

    It has the owner and the mode of the one that is there. A link stays a link: what it leads to is replaced.
    A device or a pipe, and a file that cannot be replaced by one of the same owner, is written to as it is.
    """
    there = _existing(path)
    with there or nullcontext():
        found = os.fstat(there.fileno()) if there else None
        target = os.path.realpath(path)
        # The name cannot be guessed, so nobody can have put a link there.
        partial = f"{os.path.dirname(target)}/.udpping-{os.urandom(16).hex()}.part"  # noqa: PTH120
        file = _beside(path, partial, found)
        if file is None:
            if found and stat.S_ISREG(found.st_mode):
                cast("BinaryIO", there).truncate()
            yield cast("BinaryIO", there)
            return
        try:
            with file:
                yield file
            if there:
                there.close()  # Windows replaces no file that is open
            os.replace(partial, target)  # noqa: PTH105 - it is text already
        except BaseException:
            _remove(partial)
            raise


def _existing(path: str) -> "BinaryIO | None":
    """Open what is there, but not through a link that somebody else left in a directory such as /tmp."""
    try:
        link, parent = os.lstat(path), os.stat(os.path.dirname(path) or ".")  # noqa: PTH116, PTH120
        if sys.platform == "win32":
            for_all = False
        else:
            for_all = parent.st_mode & FOR_ALL == FOR_ALL and link.st_uid not in {os.geteuid(), parent.st_uid}
        if for_all and stat.S_ISLNK(link.st_mode):
            raise PermissionError(errno.EACCES, "a link of another user in a directory for all", path)
        return open(os.open(path, os.O_WRONLY), "wb")  # noqa: PTH123 - without emptying it
    except FileNotFoundError:
        return None


def _beside(path: str, partial: str, found: "os.stat_result | None") -> "BinaryIO | None":
    """Make a file with the owner and the mode of the one that was found; `None` if there can be no such."""
    if found and not stat.S_ISREG(found.st_mode):
        return None
    mode = 0o600 if found else 0o666
    try:
        file = open(partial, "xb", opener=lambda name, flags: os.open(name, flags, mode))  # noqa: SIM115
    except OSError as error:
        if found:
            return None
        raise OSError(error.errno, error.strerror, path) from None
    if found and sys.platform != "win32":  # there, a new file has the rights of its directory
        try:
            own = os.fstat(file.fileno())
            if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
                os.chown(file.fileno(), found.st_uid, found.st_gid)
            os.chmod(file.fileno(), stat.S_IMODE(found.st_mode))  # noqa: PTH101 - it has no name to trust
        except OSError:
            file.close()
            _remove(partial)
            return None
    return file


FOR_ALL = stat.S_ISVTX | stat.S_IWOTH


def _remove(partial: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(partial)  # noqa: PTH108 - it is text already


def packing(file: "IO[bytes]", target: "Target") -> "AbstractContextManager[IO[bytes] | GzipFile]":
    """Compress with gzip if the path ends with `.gz`."""
    if hasattr(target, "write") or not os.fsdecode(cast("str", target)).endswith(".gz"):
        return nullcontext(file)
    import gzip

    # Without name and time, so that equal content gives equal files.
    return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=LEVEL)


def write_csv(table: "_core.Table", file: "Text", metadata: str | None) -> None:
    if metadata is not None:
        file.write(f"# udpping: {metadata}\n")
    file.write(",".join(table.column_names) + "\n")
    _write_rows(table, file, table.csv_lines)


def write_json(table: "_core.Table", file: "Text", metadata: str | None) -> None:
    if metadata is not None:
        file.write(f'{{"udpping":{metadata}}}\n')
    _write_rows(table, file, table.json_lines)


def _write_rows(table: "_core.Table", file: "Text", lines: "Callable[[int, int], str]") -> None:
    for first in range(0, len(table), ROWS):
        file.write(lines(first, ROWS))


ROWS = 16_384
"""Rows written at a time."""
LEVEL = 6
"""The default of the gzip command: 9 takes six times as long, for a file 2 % smaller."""


def write_parquet(table: "_core.Table", header: "Callable[[], str | None]", path: "Target") -> None:
    """Write by pyarrow, which finds the metadata in the table, or else by polars, which does not."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        try:
            import polars as pl
        except ImportError:
            raise ImportError("to write Parquet: pip install pyarrow, or polars") from None
        facts = header()
        # polars writes to memory, as it would raise an error of its own instead of OSError.
        whole = io.BytesIO()
        pl.DataFrame(table).write_parquet(whole, metadata=None if facts is None else {"udpping": facts})
        with destination(path) as file:
            file.write(whole.getbuffer())
        return
    with destination(path) as file:
        pq.write_table(pa.table(table), file)


def _series(table: "_core.Table", name: str) -> object:
    import numpy as np
    import pandas as pd

    column = table[name]
    if (dictionary := column.words()) is not None:
        words, codes = dictionary
        return pd.array([*words, None], dtype="str").take(np.asarray(codes))
    numbers = column.filled()
    if not hasattr(numbers, "__array_interface__"):
        return pd.Series(column.to_list(), dtype="object" if name == "reply" else None)
    # Copies, because the core's memory is read-only and a frame should not be.
    array = np.array(numbers)
    if array.dtype.kind in "mM":
        return pd.arrays.IntegerArray(array.view("i8"), np.isnat(array))
    # The type does not depend on the rows.
    if column.may_miss_numbers:
        return pd.arrays.IntegerArray(array, np.frombuffer(column.null_mask(), dtype=bool).copy())
    return array
