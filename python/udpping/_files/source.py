"""Reads the content of a file or of text: unpacked, decoded and cleaned in one place, and of bounded size."""

from io import BufferedReader, RawIOBase
from typing import cast

from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    from _typeshed import WriteableBuffer

LARGEST = 2**30
"""The most bytes of a text, and the most characters."""
RATIO = 100
"""A packed file may unpack to so many times its size. Results of pings pack into a 10th to a 30th."""
FREE = 2**24
"""A packed file may always unpack to so many bytes."""
HEAD = 65_536
"""Characters from which the format of a file is detected."""
STEP = 2**20
"""Bytes read at a time."""
MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""The byte order marks of UTF-8 and of UTF-16."""


class Chunks(RawIOBase):
    """The bytes of an open file that may give fewer than asked for, as pipes and sockets do."""

    def __init__(self, first: bytes, file: "IO[bytes]") -> None:
        self._first = first
        self._file = file
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._first or self._file.read(len(view))
        data, self._first = data[: len(view)], data[len(view) :]
        view[: len(data)] = data
        self.size += len(data)
        return len(data)


class Content:
    """Text or bytes, of which the head is read before the rest, which may be of any size."""

    def __init__(self, name: str, text: str = "", more: "Callable[[int], str] | None" = None) -> None:
        self.name = name
        self._text = text
        self._more = more

    @property
    def head(self) -> str:
        """The first characters, to tell what it is."""
        return self._text[:HEAD].removeprefix("\ufeff")

    @property
    def is_parquet(self) -> bool:
        return self._text.startswith("PAR1")

    def text(self) -> str:
        """Read the whole text, and clean it."""
        parts, size = [self._text], len(self._text)
        while size <= LARGEST and self._more is not None and (part := self._more(STEP)):
            parts.append(part)
            size += len(part)
        self._bound(size)
        return cleaned("".join(parts))

    def refuse(self, expected: str) -> ConfigError:
        return ConfigError(f"{self.name} is not usable: expected {expected}")

    def _bound(self, size: int) -> None:
        if size > LARGEST:
            raise ConfigError(f"expected at most {LARGEST} bytes; Parquet has room for more")


class Bytes(Content):
    """The same of bytes, packed or not; `path` is that of the file itself."""

    def __init__(self, name: str, chunks: Chunks, path: str | None = None) -> None:
        super().__init__(name)
        self._chunks = chunks
        stream = BufferedReader(chunks, HEAD)
        self._unpacked = cast("IO[bytes]", stream)
        self._size = 0
        self._packed = is_packed(stream.peek(2))
        if self._packed:
            import gzip

            self._unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
        self.path = None if self._packed else path
        self._head = self._read(HEAD)
        self._encoding = "utf-16" if self._head.startswith(MARKS[1:]) else "utf-8"

    @property
    def head(self) -> str:
        return self._head.decode(self._encoding, "replace").removeprefix("\ufeff")

    @property
    def is_parquet(self) -> bool:
        return self._head.startswith(b"PAR1")

    def text(self) -> str:
        content = bytearray(self._head)
        while piece := self._read(STEP):
            content += piece
            self._bound(len(content))
        try:
            return cleaned(content.decode(self._encoding))
        except UnicodeDecodeError as error:
            raise ConfigError(f"expected text in UTF-8 ({error})") from None

    def _read(self, size: int) -> bytes:
        if not self._packed:
            return self._unpacked.read(size)
        import gzip
        import zlib

        try:
            data = self._unpacked.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.refuse(f"a whole gzip file ({error})") from None
        self._size += len(data)
        if self._size > FREE + RATIO * self._chunks.size:
            raise self.refuse(f"a file that unpacks to at most {RATIO} times its size; unpack it with gunzip")
        return data


def is_packed(content: bytes) -> bool:
    return content[:2] == b"\x1f\x8b"


def of_open(file: "IO[str] | IO[bytes]") -> Content:
    """Read from a file that is open, for text or for bytes, from where it stands."""
    name = getattr(file, "name", None)
    name = f"file {name!r}" if isinstance(name, str) else "text"

    def read(size: int) -> "Any":  # noqa: ANN401 - it may be an object of any kind
        try:
            return file.read(size)
        except UnicodeDecodeError as error:
            raise ConfigError(
                f'{name} is not usable: expected text in {error.encoding} ({error}); open it with "rb", '
                "or give its path"
            ) from None

    first = read(HEAD)
    if isinstance(first, str):
        return Content(name, first, read)
    if isinstance(first, bytes):
        return Bytes(name, Chunks(first, cast("IO[bytes]", file)))
    raise ConfigError(f"{name} is not usable: expected a file that is open for reading text or bytes")


def cleaned(text: str) -> str:
    """Remove the byte order mark; refuse what is no text."""
    text = text.removeprefix("\ufeff")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"expected text without half characters (surrogates), and not {text[error.start]!r} at "
                f"character {error.start}: it was read with another encoding than it has"
            ) from None
    return text
