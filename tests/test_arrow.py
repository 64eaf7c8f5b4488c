"""What comes in through the Arrow C interface is checked before it is used: whatever a producer hands over.

As a program, `test_arrow.py` tries the cases and prints what becomes of each, so that a crash has a name.
"""

from __future__ import annotations

import ctypes as c
import json
import struct
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import capsules
import pytest
import udpping
from capsules import Array, Batch, Reader, Schema, array, memory, schema
from udpping import _core, stats

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.python, pytest.mark.untimed]

TIME_LIMIT = 120


def numbers(letter: str, *values: float, shifted: int = 0) -> Any:  # noqa: ANN401 - ctypes
    return memory(struct.pack(f"={len(values)}{letter}", *values), shifted=shifted)


def text(*words: bytes, letter: str = "i") -> list[Any]:
    ends = [0]
    for word in words:
        ends.append(ends[-1] + len(word))
    return [None, numbers(letter, *ends), memory(b"".join(words))]


def views(*words: bytes) -> list[Any]:
    content, all_views = b"", b""
    for word in words:
        if len(word) <= 12:
            all_views += struct.pack("=i12s", len(word), word)
        else:
            all_views += struct.pack("=i4sii", len(word), word[:4], 0, len(content))
            content += word
    return [None, memory(all_views), memory(content), numbers("q", len(content))]


class Table:
    """A table of three pings, each part of which a case may change before it is handed over."""

    def __init__(self) -> None:
        self.kinds = {
            "seq": schema(b"L", b"seq"),
            "target": schema(b"i", b"target", dictionary=schema(b"u")),
            "status": schema(b"u", b"status"),
            "copies": schema(b"I", b"copies"),
            "rtt_ns": schema(b"l", b"rtt_ns"),
        }
        self.values = {
            "seq": array(3, [None, numbers("Q", 1, 2, 3)]),
            "target": array(3, [None, numbers("i", 0, 1, 0)], dictionary=array(2, text(b"a", b"b"))),
            "status": array(3, text(b"reply", b"timeout", b"reply")),
            "copies": array(3, [None, numbers("I", 1, 0, 1)]),
            "rtt_ns": array(3, [memory(b"\5"), numbers("q", 5, 0, 7)], null_count=1),
        }
        self.kind, self.array = schema(b"+s"), array(3, [None])

    def column(self, name: str, kind: Schema, values: Array) -> Table:
        kind.name = name.encode()
        self.kinds[name], self.values[name] = kind, values
        return self

    def batch(self) -> Batch:
        for structure, parts in ((self.kind, self.kinds), (self.array, self.values)):
            whole: Any = structure
            places = capsules.pointers(list(parts.values()))
            whole.n_children, whole.children = len(parts), capsules.address(places)
            capsules.kept[whole.private_data] = (capsules.kept[whole.private_data], places, parts)
        return Batch(self.kind, self.array)


def changed(part: str, field: str, value: object) -> Callable[[], object]:
    """Change a field of a column, such as `kinds.seq`, or of the whole."""

    def make() -> object:
        table = Table()
        made = table.batch()
        of, _, name = part.partition(".")
        thing: Any = getattr(table, of)[name] if name else getattr(table, of)
        setattr(thing, field, value)
        return made

    return make


def of(name: str, kind: Callable[[], Schema], values: Callable[[], Array]) -> Callable[[], object]:
    """Replace a column."""
    return lambda: Table().column(name, kind(), values()).batch()


def deep(levels: int) -> Schema:
    kind = schema(b"l", b"item")
    for _ in range(levels):
        kind = schema(b"+l", b"item", [kind])
    return kind


def repeated(content: bytes) -> list[Any]:
    return text(b"reply", b"reply", content)


def without(field: str) -> Callable[[], object]:
    def make() -> object:
        reader = stream()
        setattr(reader.stream, field, None)
        return reader

    return make


def stream(code: int = 0, told: bytes | None = None, pieces: int = 1) -> Reader:
    table = Table()
    table.batch()
    return Reader(table.kind, [table.array][:pieces], code, told)


class Handing:
    """Hands over anything."""

    def __init__(self, *, array: object = None, stream: object = None) -> None:
        if stream is not None:
            self.__arrow_c_stream__ = lambda: stream
        else:
            self.__arrow_c_array__ = lambda: array


def read_before() -> object:
    batch = Table().batch()
    stats.loss(batch)
    return batch


def shifted(field: str) -> object:
    """Let a pointer lead to a place that is not aligned."""
    table = Table()
    batch = table.batch()
    owner: Any = table.values["target"] if field == "dictionary" else table.array
    pointer = getattr(owner, field)
    copy = memory(c.string_at(pointer, 80), shifted=1)
    capsules.kept[owner.private_data] = (capsules.kept[owner.private_data], copy)
    if field == "dictionary":
        owner.dictionary = capsules.address(copy)
    else:
        child = memory(c.string_at(c.addressof(table.values["seq"]), c.sizeof(Array)), shifted=1)
        places = (c.c_void_p * 5)(*[capsules.address(child)] * 5)
        capsules.kept[owner.private_data] = (capsules.kept[owner.private_data], child, places)
        owner.children = capsules.address(places)
    return batch


def missing(part: str) -> object:
    """Let one of the pointers to children be null."""
    table = Table()
    batch = table.batch()
    places = (c.c_void_p * 5)()
    whole: Any = getattr(table, part)
    capsules.kept[whole.private_data] = (capsules.kept[whole.private_data], places)
    whole.children = capsules.address(places)
    return batch


def without_rows(bits: bytes) -> object:
    table = Table()
    table.array = array(3, [memory(bits)], null_count=-1)
    return table.batch()


def lists() -> Array:
    return array(3, [None, numbers("i", 0, 0, 0, 0)], [array(0, [None, None])])


def words(*, inner: list[Any], keys: Any, length: int = 2) -> Array:  # noqa: ANN401
    return array(3, [None, keys], dictionary=array(length, inner))


def status(form: bytes, values: list[Any], offset: int = 0) -> Callable[[], object]:
    return of("status", lambda: schema(form), lambda: array(3, values, offset=offset))


FAR = 10**13
NAMES = ("seq", "status", "rtt_ns")
LONG = b"reply" * 20_000
STRUCTURE: dict[str, Callable[[], object]] = {
    **{f"a released {part}": changed(part, "release", None) for part in ("kind", "array", "values.rtt_ns")},
    **{f"{n} kinds": changed("kind", "n_children", n) for n in (-1, 4, 2**62, -(2**63), FAR)},
    **{f"{n} columns": changed("array", "n_children", n) for n in (-1, 0, 4, 2**62, FAR)},
    **{f"no parts of the {part}": changed(part, "children", None) for part in ("kind", "array")},
    **{f"{n} parts of a column": changed("values.rtt_ns", "n_children", n) for n in (-1, 1, FAR)},
    **{f"{n} buffers of the table": changed("array", "n_buffers", n) for n in (-1, 0, 2, FAR)},
    **{
        f"{n} buffers of {name}": changed(f"values.{name}", "n_buffers", n)
        for n in (-1, 0, 1, 4, FAR)
        for name in NAMES
    },
    **{f"no buffers of {name}": changed(f"values.{name}", "buffers", None) for name in NAMES},
    **{
        f"{field} {n} of {part}": changed(part, field, n)
        for part in ("array", "values.seq", "values.status")
        for field in ("length", "offset")
        for n in (-1, 2**62, 2**63 - 1, -(2**63))
    },
    **{
        f"null count {n} of {part}": changed(part, "null_count", n)
        for part in ("array", "values.seq", "values.status")
        for n in (-2, 1, 4, 2**62)
    },
    "a column that is too short": changed("values.seq", "length", 2),
    "more rows than columns have": changed("array", "length", 4),
    "rows from beyond": changed("array", "offset", 1),
    "no type": changed("kinds.rtt_ns", "format", None),
    "no type of the table": changed("kind", "format", None),
    **{
        f"type {form!r}": changed("kinds.rtt_ns", "format", form)
        for form in (b"", b"?", b"\xff", b"tss", b"tDx", b"+s", b"\x1b[31m")
    },
    **{
        f"type {form!r} of the table": changed("kind", "format", form) for form in (b"", b"l", b"+l", b"\xff")
    },
    "a dictionary without words": changed("values.target", "dictionary", None),
    "words without a dictionary": changed("kinds.target", "dictionary", None),
    "words that are not aligned": lambda: shifted("dictionary"),
    "columns that are not aligned": lambda: shifted("children"),
    "keys that are text": changed("kinds.target", "format", b"u"),
    "keys that are fractions": changed("kinds.target", "format", b"g"),
    "a row that is null": lambda: without_rows(b"\3"),
    "a kind that is missing": lambda: missing("kind"),
    "an array that is missing": lambda: missing("array"),
    "lists": of("rtt_ns", lambda: deep(1), lists),
    "very deep lists": of("rtt_ns", lambda: deep(20_000), lists),
    "a dictionary of dictionaries": of(
        "target",
        lambda: schema(b"i", dictionary=schema(b"i", dictionary=schema(b"u"))),
        lambda: array(
            3,
            [None, numbers("i", 0, 0, 0)],
            dictionary=array(1, [None, numbers("i", 0)], dictionary=array(1, text(b"a"))),
        ),
    ),
    "very many rows of nothing": lambda: Reader(
        schema(b"+s", children=[schema(b"n", b"rtt_ns")]),
        [array(2**31, [None], [array(2**31, [])]) for _ in range(3)],
    ),
    "more rows of nothing than memory": lambda: Batch(
        schema(b"+s", children=[schema(b"n", b"rtt_ns")]), array(FAR, [None], [array(FAR, [])])
    ),
}
CONTENT: dict[str, Callable[[], object]] = {
    "text that is no UTF-8": status(b"u", repeated(b"re\xffly")),
    "long text that is no UTF-8": status(b"u", repeated(LONG + b"\xff\xfe\xfd")),
    "text that ends within a character": status(b"u", repeated("caf\xe9".encode()[:-1])),
    "two texts that share a character": status(
        b"u", [None, numbers("i", 0, 5, 6, 7), memory(b"reply\xc3\xa9")]
    ),
    "large text that is no UTF-8": status(b"U", text(b"reply", b"reply", b"\xff" * 3, letter="q")),
    "text of a negative length": status(b"u", [None, numbers("i", 0, 5, 10, -1), memory(b"reply" * 3)]),
    "large text of a negative length": status(b"U", [None, numbers("q", 0, 5, 10, -1), memory(b"reply" * 3)]),
    "text that begins before its memory": status(
        b"u", [None, numbers("i", -5, 0, 5, 10), memory(b"reply" * 3)]
    ),
    "text that goes back": status(b"u", [None, numbers("i", 0, 10, 5, 15), memory(b"reply" * 3)]),
    "text beyond its end": status(b"u", [None, numbers("i", 0, 15, 20, 10), memory(b"reply" * 3)]),
    "text without memory": status(b"u", [None, numbers("i", 0, 5, 10, 15), None]),
    "text without ends": status(b"u", [None, None, memory(b"reply" * 3)]),
    "numbers without memory": of("seq", lambda: schema(b"L"), lambda: array(3, [None, None])),
    "views that are no UTF-8": status(b"vu", views(b"reply", b"\xff\xfe", b"reply")),
    "long views that are no UTF-8": status(b"vu", views(b"reply", b"reply", LONG + b"\xff")),
    "views of a buffer that is not there": status(
        b"vu",
        [None, memory(struct.pack("=i4sii", 20, b"repl", 7, 0) * 3), memory(b"reply" * 9), numbers("q", 45)],
    ),
    "views beyond the buffer": status(
        b"vu",
        [None, memory(struct.pack("=i4sii", 20, b"repl", 0, 40) * 3), memory(b"reply" * 9), numbers("q", 45)],
    ),
    "views of a negative length": status(
        b"vu",
        [None, memory(struct.pack("=i4sii", -20, b"repl", 0, 0) * 3), memory(b"reply" * 9), numbers("q", 45)],
    ),
    "views that begin otherwise": status(
        b"vu",
        [None, memory(struct.pack("=i4sii", 20, b"late", 0, 0) * 3), memory(b"reply" * 9), numbers("q", 45)],
    ),
    "views of a buffer of a negative length": status(
        b"vu",
        [None, memory(struct.pack("=i4sii", 20, b"repl", 0, 0) * 3), memory(b"reply" * 9), numbers("q", -45)],
    ),
    "views without the lengths of buffers": status(b"vu", [*views(b"reply", b"reply", LONG)[:3], None]),
    "views in two buffers": status(b"vu", views(b"reply", b"reply", b"reply")[:2]),
    "keys beyond the words": of(
        "target",
        lambda: schema(b"i", dictionary=schema(b"u")),
        lambda: words(inner=text(b"a", b"b"), keys=numbers("i", 0, 1, 2)),
    ),
    "keys before the words": of(
        "target",
        lambda: schema(b"c", dictionary=schema(b"u")),
        lambda: words(inner=text(b"a", b"b"), keys=numbers("b", 0, -1, 0)),
    ),
    "keys of no words": of(
        "target",
        lambda: schema(b"i", dictionary=schema(b"u")),
        lambda: words(inner=text(), keys=numbers("i", 0, 0, 0), length=0),
    ),
    "words that are no UTF-8": of(
        "target",
        lambda: schema(b"i", dictionary=schema(b"u")),
        lambda: words(inner=text(b"a", b"\xf0\x9f"), keys=numbers("i", 0, 0, 0)),
    ),
    "words of which there are too many": of(
        "target",
        lambda: schema(b"i", dictionary=schema(b"u")),
        lambda: words(inner=text(b"a"), keys=numbers("i", 0, 0, 0), length=2**62),
    ),
    "times that are too long": of(
        "rtt_ns", lambda: schema(b"tDs"), lambda: array(3, [None, numbers("q", 1, 2**55, 2)])
    ),
}
HANDED: dict[str, Callable[[], object]] = {
    **{f"a stream that is {thing!r}": partial(Handing, stream=thing) for thing in (5, b"x", (1, 2))},
    **{
        f"an array that is {thing!r}": partial(Handing, array=thing)
        for thing in (None, 5, (), (1,), (1, 2), (1, 2, 3), [1, 2])
    },
    "capsules the wrong way round": lambda: Handing(array=Table().batch().__arrow_c_array__()[::-1]),
    "an array where a stream is due": lambda: Handing(stream=Table().batch().__arrow_c_array__()[1]),
    "what was read before": read_before,
    **{f"a stream without {name}": without(name) for name in ("get_schema", "get_next", "release")},
    "a stream with an error": lambda: stream(5, b"the disk is gone"),
    "a stream with an error that is no text": lambda: stream(22, b"\xff\x1b[2J\n\xc2\x9b" * 99),
    "a stream with an error without a text": lambda: stream(-1),
    "a stream with an error at once": lambda: stream(12, b"none", pieces=0),
}
RIGHT: dict[str, Callable[[], object]] = {
    "as it should be": lambda: Table().batch(),
    "in a stream": stream,
    "numbers that are not aligned": of(
        "rtt_ns", lambda: schema(b"l"), lambda: array(3, [memory(b"\5"), numbers("q", 5, 0, 7, shifted=3)])
    ),
    "text that is not aligned": status(
        b"u", [None, numbers("i", 0, 5, 12, 17, shifted=1), memory(b"replytimeoutreply", shifted=7)]
    ),
    "views": status(b"vu", views(b"reply", b"timeout", b"reply")),
    "large text": status(b"U", text(b"reply", b"timeout", b"reply", letter="q")),
    "text of which more is there": status(b"u", text(b"late", b"reply", b"timeout", b"reply"), offset=1),
    "an unknown number of nulls": changed("values.rtt_ns", "null_count", -1),
    "columns of any type beside": of("other", lambda: deep(20_000), lambda: array(-7, [])),
    "a column beside that is no UTF-8": of(
        "other", lambda: schema(b"u"), lambda: array(3, repeated(b"\xff"))
    ),
    "metadata of any kind": changed("kind", "metadata", b"\xff" * 64),
}
REFUSED = STRUCTURE | CONTENT | HANDED


def facts(table: object) -> object:
    parts = stats.Pings(table).by_target()
    return {str(target): [stats.loss(pings).sent, stats.loss(pings).lost] for target, pings in parts.items()}


def rows(table: object) -> object:
    return _core.run_from_arrow(table)["status"].to_list()


def main() -> None:
    """Print the name of each case before it is tried, and then what the statistics and a run make of it."""
    for name, make in (REFUSED | RIGHT).items():
        sys.stdout.write(f"{name}\t")
        sys.stdout.flush()
        found: list[object] = []
        for use in (facts, rows):
            try:
                found.append(use(make()))
            except BaseException as error:  # noqa: BLE001 - a panic of pyo3 is one
                found.append(f"{type(error).__name__}: {error}")
        sys.stdout.write(f"{json.dumps(found)}\n")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[object]]:
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr)
    return {name: json.loads(found) for name, found in lines}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_as_the_format_has_it_is_one_error(outcomes: dict[str, list[object]], name: str) -> None:
    for found in outcomes[name]:
        assert isinstance(found, str)
        assert found.startswith("ConfigError: ")
        assert found.isprintable()
        assert len(found) < 600


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_as_the_format_has_it_is_read(outcomes: dict[str, list[object]], name: str) -> None:
    assert outcomes[name] == [{"a": [2, 0], "b": [1, 1]}, ["reply", "timeout", "reply"]]


@pytest.mark.parametrize("name", [None, b"\x1b[2J\xc2\x9b\xe2\x80\xae", b"\xff\n" * 10_000])
def test_names_of_columns_are_shown_without_what_cannot_be_seen(name: bytes | None) -> None:
    with pytest.raises(udpping.ConfigError, match="without rtt_ns") as caught:
        stats.loss(changed("kinds.rtt_ns", "name", name)())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 3_000


def test_everything_is_released_once() -> None:
    column = Batch(schema(b"l"), array(3, [None, numbers("q", 5, 6, 7)]))
    keys = [column.kind.private_data, column.values.private_data]
    capsules.released.clear()
    pings = stats.Pings({"rtt_ns": column})
    assert (column.kind.release, column.values.release) == (None, None)
    assert capsules.released == ["Schema"]  # the numbers are shared
    assert stats.round_trip(pings).max_ns == 7
    del pings
    assert capsules.released == ["Schema", "Array"]
    assert not capsules.kept.keys() & keys


def test_a_panic_is_an_error_that_asks_to_be_reported() -> None:
    """pyo3 resumes a panic when Python raises its exception for one: from within the core, a real one."""
    program = """
import udpping
from udpping import stats
class Panics:
    def __arrow_c_stream__(self, requested_schema=None):
        panic, = (kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException")
        raise panic("a\x9bb")
try:
    stats.loss(5)
except udpping.ConfigError:
    pass
for use in (stats.loss, udpping._core.run_from_arrow):
    try:
        use(Panics())
    except Exception as error:
        print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    told = "udpping itself is at fault (a\\x9bb): please report it, with this line and what it was given"
    assert done.stdout.splitlines() == [f"UdppingError {told}"] * 2


if __name__ == "__main__":
    main()
