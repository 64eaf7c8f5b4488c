"""Runs from files: those that udpping wrote, and those that irtt, fping and ping did."""

import re

from udpping import _checks
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    from udpping._run import Run

FORMATS = ("parquet", "csv", "json", "command", "irtt", "fping", "ping")
LARGEST = 2**32
"""Bytes of a file, unpacked."""
HEAD = 65_536
"""Characters in which a file must show what it is."""


def load(path_or_text: "str | PathLike[str]", format: str | None = None) -> "Run":  # noqa: A002
    r"""Make a run of a file, or of its text: for statistics, pictures and comparisons.

    * `path_or_text`: a path, or text of more than one line, or that begins with `{`. Files of text may be
      packed by gzip.
    * `format`: `None` finds it out by the content. `"csv"`, `"json"` (JSON lines) and `"parquet"` are what
      `Run` writes, `"command"` is what `udpping ping --json` prints, `"irtt"` the JSON of `irtt client -o`,
      `"fping"` what `fping -c`, `-C`, `-l` and `-J` print, and `"ping"` what iputils', busybox's and macOS'
      `ping` do.

    `udpping.load(path) == run` for a run that was written, whichever way. Settings and all of the summary are
    there too if the file has metadata: Parquet always, CSV and JSON with `metadata=True`. What a file does
    not tell is `None`; docs/formats.md says what that is for each format.

    Raises ConfigError for what is none of these or cannot be read, with the line; OSError for a file that
    cannot be opened; ImportError for Parquet without pyarrow or polars.

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
        raise _checks.refuse("format", format, ", ".join(FORMATS))
    if isinstance(path_or_text, str) and ("\n" in path_or_text or path_or_text.lstrip()[:1] == "{"):
        return _of_text("text", path_or_text, format)
    path = _checks.path("path", path_or_text)
    if not path or "\0" in path:
        raise _checks.refuse("path", path, "the path of a file, or text of more than one line")
    content = _content(path)
    if format == "parquet" or (format is None and content[:4] == b"PAR1"):
        from udpping._formats.own import read_parquet

        return read_parquet(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"path {path!r} is not usable: expected text in UTF-8 ({error})") from None
    return _of_text(f"path {path!r}", text, format)


def _content(path: str) -> bytes:
    from pathlib import Path

    with Path(path).open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            content = file.read(LARGEST + 1)
        else:
            import gzip
            import zlib

            try:
                content = gzip.GzipFile(fileobj=file).read(LARGEST + 1)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise ConfigError(
                    f"path {path!r} is not usable: expected a whole gzip file ({error})"
                ) from None
    if len(content) > LARGEST:
        raise ConfigError(f"path {path!r} is not usable: expected at most {LARGEST} bytes")
    return content


def _of_text(name: str, text: str, form: str | None) -> "Run":
    form = form or _form(text[:HEAD])
    reader = _reader(form)
    if reader is None:
        tried = ", ".join(FORMATS)
        raise ConfigError(
            f"{name} is not usable: expected one of {tried}, and it begins as none of them: {text[:40]!r}"
        )
    try:
        return reader(text)
    except ConfigError as error:
        raise ConfigError(f"{name} is not usable as {form}: {error}") from None


def _form(head: str) -> str | None:
    """Find out what writes files that begin like this."""
    first = head.lstrip().partition("\n")[0].strip()
    if first.startswith("# udpping: ") or {"seq", "status"} <= set(first.split(",")):
        return "csv"
    return next((form for form, marks in MARKS if re.search(marks, head.lstrip(), re.MULTILINE)), None)


MARKS = (
    ("irtt", r'\A\{\s*"(?:version|system_info)"\s*:'),
    ("fping", r'\A\{\s*"(?:resp|timeout|summary|vSum|intSum|stats)"\s*:\s*\{'),
    ("command", r'\A\{\s*"schema"\s*:\s*\d+,\s*"type"'),
    ("json", r"\A\{"),
    ("ping", r"^PING |bytes from .*seq=\d|icmp_seq[= ]\d"),
    ("fping", r"^(?:\[[\d.]+\] )?\S+ +: (?:\[\d+\], |duplicate for|(?:[\d.]+|-)(?: |$)|xmt/rcv)"),
)
"""What tells the formats apart, in the order in which they are tried."""


def _reader(form: str | None) -> "Callable[[str], Run] | None":
    if form == "irtt":
        from udpping._formats.irtt import read
    elif form == "fping":
        from udpping._formats.fping import read
    elif form == "ping":
        from udpping._formats.ping import read
    else:
        from udpping._formats import own

        return {"csv": own.read_csv, "json": own.read_json, "command": own.read_command}.get(form or "")
    return read
