"""Loads runs from files of udpping, irtt, fping and ping."""

import re
from io import BytesIO
from typing import cast

from udpping._args import checks
from udpping._files import source
from udpping._files.forms import form_of
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import IO

    from udpping._results.run import Run

FORMATS = ("parquet", "csv", "json", "command", "irtt", "fping", "ping")


def load(
    path_or_text: "str | bytes | PathLike[str] | PathLike[bytes] | IO[str] | IO[bytes]",
    format: str | None = None,  # noqa: A002
) -> "Run":
    r"""Make a run of a file, or of its text: for statistics, pictures and comparisons.

    * `path_or_text`: a path, a file open for reading, or text of more than one line, or that begins with `{`;
      text may be bytes, in UTF-8 or as PowerShell writes it. Files of text may be packed by gzip.
    * `format`: `None` finds it out by the content. `"csv"`, `"json"` (JSON lines) and `"parquet"` are what
      `Run` writes, `"command"` is what `udpping ping --json` prints, `"irtt"` the JSON of `irtt client -o`.
      `"fping"` is what `fping -c`, `-C`, `-l` and `-J` print. `"ping"` is what `ping` of iputils, busybox,
      macOS and Windows prints, in English. A file may hold several runs, as `>>` puts them there: see `Row`.
      JSON of a run without pings is empty, and is read only with `format="json"`.

    `udpping.load(path) == run` for a run that was written, whichever way. Settings and all of the summary are
    there too if the file has metadata: Parquet always, CSV and JSON with `metadata=True`. What a file does
    not tell is `None`; docs/formats.md says what that is for each format.

    Raises ConfigError, with the line and the cause, for what is none of these or cannot be read. It does so
    too for what contradicts its own sums or is larger than docs/formats.md says. Raises OSError for a file
    that cannot be opened, and ImportError for Parquet without pyarrow or polars.

    >>> import udpping
    >>> run = udpping.sim.ping(count=4, loss="pattern:.x")
    >>> loaded = udpping.load(run.to_csv(metadata=True))
    >>> loaded == run, loaded.summary == run.summary, loaded.settings == run.settings
    (True, True, True)
    >>> told = "PING a (192.0.2.1) 56(84) bytes of data.\n64 bytes from a: icmp_seq=2 ttl=64 time=1.5 ms\n"
    >>> [(row.seq, row.status, row.rtt_ns) for row in udpping.load(told)]
    [(1, 'timeout', None), (2, 'reply', 1500000)]
    """
    if format is not None and format not in FORMATS:
        raise checks.refuse("format", format, ", ".join(FORMATS))
    given = path_or_text
    if hasattr(given, "read"):
        return _of_content(source.of_open(cast("IO[str] | IO[bytes]", given)), format)
    if format == "json" and given in ("", b""):
        return _of_content(source.Content("text", ""), format)
    if isinstance(given, str) and (re.search(r"[\n\r]", given) or given.lstrip("\ufeff \t")[:1] == "{"):
        return _of_content(source.Content("text", given), format)
    if isinstance(given, bytes) and (
        b"\n" in given
        or given.lstrip()[:1] == b"{"
        or given.startswith(source.MARKS)
        or source.is_packed(given)
    ):
        return _of_content(source.Bytes("text", source.Chunks(b"", BytesIO(given))), format)
    path = checks.path("path", given)
    if not path or "\0" in path:
        raise checks.refuse("path", path, "the path of a file, or text of more than one line")
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path may be bytes that are no text
        chunks = source.Chunks(b"", cast("IO[bytes]", file))
        return _of_content(source.Bytes(f"path {path!r}", chunks, path), format)


def _of_content(content: source.Content, form: str | None) -> "Run":
    if form == "parquet" or (form is None and content.is_parquet):
        path = getattr(content, "path", None)
        if path is None:
            raise content.refuse("Parquet in a file of its own, by its path")
        from udpping._files.parquet import read_parquet

        return read_parquet(path)
    form = form or form_of(content.head)
    if form is None:
        head = content.head
        what = f"begins as none of them: {head.lstrip()[:40]!r}"
        if not head.strip():
            what = 'is empty; format="json" takes that for a run without pings'
        if len(head) == source.HEAD and not head.strip():
            what = f"begins with {source.HEAD} blanks"
        raise content.refuse(f"one of {', '.join(FORMATS)}, and it {what}")
    try:
        if form == "ping":
            from udpping._files.ping import check_head

            check_head(content.head)
        return _reader(form)(content.text())
    except ConfigError as error:
        raise ConfigError(f"{content.name} is not usable as {form}: {error}") from None


def _reader(form: str) -> "Callable[[str], Run]":
    if form == "irtt":
        from udpping._files.irtt import read
    elif form == "fping":
        from udpping._files.fping import read
    elif form == "ping":
        from udpping._files.ping import read
    elif form == "command":
        from udpping._files.command import read
    elif form == "csv":
        from udpping._files.own import read_csv as read
    else:
        from udpping._files.own import read_json as read
    return read
