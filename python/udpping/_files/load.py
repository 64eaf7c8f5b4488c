"""Loads runs from files of udpping, irtt, fping and ping."""

import re
from io import BufferedReader, BytesIO
from typing import cast

from udpping._args import checks
from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike
    from typing import IO

    from udpping._results.run import Run

FORMATS = ("parquet", "csv", "json", "command", "irtt", "fping", "ping")
LARGEST = 2**32
"""The most bytes of a file, after decompression."""
HEAD = 65_536
"""Characters from which the format of a file is detected."""


def load(
    path_or_text: "str | bytes | PathLike[str] | PathLike[bytes] | IO[str] | IO[bytes]",
    format: str | None = None,  # noqa: A002
) -> "Run":
    r"""Make a run of a file, or of its text: for statistics, pictures and comparisons.

    * `path_or_text`: a path, a file open for reading, or text of more than one line, or that begins with `{`;
      text may be bytes, in UTF-8 or as PowerShell writes it. Files of text may be packed by gzip.
    * `format`: `None` finds it out by the content. `"csv"`, `"json"` (JSON lines) and `"parquet"` are what
      `Run` writes, `"command"` is what `udpping ping --json` prints, `"irtt"` the JSON of `irtt client -o`,
      `"fping"` what `fping -c`, `-C`, `-l` and `-J` print, and `"ping"` what iputils', busybox's, macOS' and
      Windows' `ping` do, in English.

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
        raise checks.refuse("format", format, ", ".join(FORMATS))
    given = path_or_text
    is_open = hasattr(given, "read")
    if is_open:
        given = cast("IO[str] | IO[bytes]", given).read(LARGEST)
    if isinstance(given, str) and (is_open or "\n" in given or given.lstrip()[:1] == "{"):
        return _of_text("text", given, format)
    if isinstance(given, bytes) and (
        is_open or b"\n" in given or given.lstrip()[:1] == b"{" or _packed(given)
    ):
        return _of_stream("text", BufferedReader(BytesIO(given)), format)
    path = checks.path("path", given)
    if not path or "\0" in path:
        raise checks.refuse("path", path, "the path of a file, or text of more than one line")
    with open(path, "rb") as file:  # noqa: PTH123 - a path may be bytes that are no text
        return _of_stream(f"path {path!r}", file, format, path)


def _of_stream(name: str, stream: "BufferedReader", form: str | None, path: str | None = None) -> "Run":
    import gzip
    import zlib

    try:
        packed = _packed(stream.peek(2))
        unpacked = gzip.GzipFile(fileobj=stream) if packed else stream
        # The format is detected before the rest is read, which may be of any size.
        content = unpacked.read(HEAD)
        if form == "parquet" or (form is None and content[:4] == b"PAR1"):
            if path is None or packed:
                raise ConfigError(f"{name} is not usable: expected Parquet in a file of its own, by its path")
            from udpping._files.own import read_parquet

            return read_parquet(path)
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        form = _known(name, content.decode(encoding, "replace"), form)
        content += unpacked.read(LARGEST + 1 - len(content))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{name} is not usable: expected a whole gzip file ({error})") from None
    if len(content) > LARGEST:
        raise ConfigError(f"{name} is not usable: expected at most {LARGEST} bytes")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not usable: expected text in UTF-8 ({error})") from None
    return _of_text(name, text, form)


def _packed(content: bytes) -> bool:
    return content[:2] == b"\x1f\x8b"


def _of_text(name: str, text: str, form: str | None) -> "Run":
    form = _known(name, text[:HEAD], form)
    try:
        return _reader(form)(text)
    except ConfigError as error:
        raise ConfigError(f"{name} is not usable as {form}: {error}") from None


def _known(name: str, head: str, form: str | None) -> str:
    form = form or _form(head)
    if form is None:
        what = f"begins as none of them: {head[:40]!r}" if head.strip() else "is empty"
        raise ConfigError(f"{name} is not usable: expected one of {', '.join(FORMATS)}, and it {what}")
    return form


def _form(head: str) -> str | None:
    first = head.lstrip().partition("\n")[0].strip()
    if first.startswith("# udpping: ") or {"seq", "status"} <= set(first.split(",")):
        return "csv"
    return next((form for form, marks in MARKS if re.search(marks, head.lstrip(), re.MULTILINE)), None)


MARKS = (
    ("irtt", r'\A\{\s*"(?:version|system_info)"\s*:'),
    ("fping", r'\A\{\s*"(?:resp|timeout|summary|vSum|intSum|stats)"\s*:\s*\{'),
    ("command", r'\A\{\s*"schema"\s*:\s*\d+,\s*"type"'),
    ("json", r"\A\{"),
    ("ping", r"^PING6?[ (]|bytes from .*seq=\d|icmp_seq[= ]\d|^\s*(?:Pinging |Reply from )"),
    ("fping", r"^(?:\[[^]\n]+\] )?\S+ +: (?:\[\d+\], |duplicate for|(?:[\d.]+|-)(?: |$)|xmt/rcv)"),
)
"""The patterns of the formats, in the order in which they are tried."""


def _reader(form: str) -> "Callable[[str], Run]":
    if form == "irtt":
        from udpping._files.irtt import read
    elif form == "fping":
        from udpping._files.fping import read
    elif form == "ping":
        from udpping._files.ping import read
    else:
        from udpping._files import own

        return {"csv": own.read_csv, "json": own.read_json, "command": own.read_command}[form]
    return read
