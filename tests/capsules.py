"""Builds the structures of the Arrow C interface by hand, so that each part of them can be wrong."""

from __future__ import annotations

import ctypes as c
from itertools import count
from typing import Any

keys = count(1)
kept: dict[int, object] = {}
"""What a structure points to, until it is released."""
released: list[str] = []


class Schema(c.Structure):
    pass


class Array(c.Structure):
    pass


class Stream(c.Structure):
    pass


Release = c.CFUNCTYPE(None, c.c_void_p)
Get = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p)
Text = c.CFUNCTYPE(c.c_void_p, c.c_void_p)
Schema._fields_ = [
    ("format", c.c_char_p),
    ("name", c.c_char_p),
    ("metadata", c.c_char_p),
    ("flags", c.c_int64),
    ("n_children", c.c_int64),
    ("children", c.c_void_p),
    ("dictionary", c.c_void_p),
    ("release", c.c_void_p),
    ("private_data", c.c_void_p),
]
Array._fields_ = [
    ("length", c.c_int64),
    ("null_count", c.c_int64),
    ("offset", c.c_int64),
    ("n_buffers", c.c_int64),
    ("n_children", c.c_int64),
    ("buffers", c.c_void_p),
    ("children", c.c_void_p),
    ("dictionary", c.c_void_p),
    ("release", c.c_void_p),
    ("private_data", c.c_void_p),
]
Stream._fields_ = [
    ("get_schema", c.c_void_p),
    ("get_next", c.c_void_p),
    ("get_last_error", c.c_void_p),
    ("release", c.c_void_p),
    ("private_data", c.c_void_p),
]


def address(thing: Any) -> int:  # noqa: ANN401 - ctypes has a type for each
    return c.cast(thing, c.c_void_p).value or 0


def release(kind: type[c.Structure], name: str) -> object:
    def call(pointer: int) -> None:
        freed: Any = kind.from_address(pointer)
        released.append(name)
        kept.pop(freed.private_data or 0, None)
        freed.release = None

    return Release(call)


releases = {kind: release(kind, kind.__name__) for kind in (Schema, Array, Stream)}


def keep(structure: Any, *parts: object) -> Any:  # noqa: ANN401
    """Keep the parts until the structure is released."""
    structure.private_data = next(keys)
    kept[structure.private_data] = parts
    structure.release = address(releases[type(structure)])
    return structure


def pointers(things: list[Any]) -> Any:  # noqa: ANN401
    return (c.c_void_p * max(1, len(things)))(
        *(thing if thing is None else c.addressof(thing) for thing in things)
    )


def memory(content: bytes, *, shifted: int = 0) -> Any:  # noqa: ANN401
    """Bytes in memory of their own, which begins at a multiple of 64, or so many bytes behind one."""
    whole = c.create_string_buffer(len(content) + 192)
    start = -c.addressof(whole) % 64 + shifted
    c.memmove(c.addressof(whole) + start, content, len(content))
    # It keeps the whole.
    return (c.c_char * (len(content) + 64)).from_buffer(whole, start)


def schema(
    form: bytes, name: bytes = b"", children: list[Schema] | None = None, dictionary: Schema | None = None
) -> Schema:
    """Describe a column, or a table of such."""
    places = pointers(children or [])
    made = Schema(form, name, None, 2, len(children or []), address(places) if children else None)
    if dictionary is not None:
        made.dictionary = c.addressof(dictionary)
    keep(made, places, children, dictionary, form, name)
    return made


def array(
    length: int,
    buffers: list[Any],
    children: list[Array] | None = None,
    dictionary: Array | None = None,
    *,
    null_count: int = 0,
    offset: int = 0,
) -> Array:
    """Hold the values of a column, or of a table."""
    places, parts = pointers(children or []), pointers(buffers)
    made = Array(length, null_count, offset, len(buffers), len(children or []), address(parts))
    made.children = address(places) if children else None
    if dictionary is not None:
        made.dictionary = c.addressof(dictionary)
    keep(made, places, parts, buffers, children, dictionary)
    return made


new_capsule = c.pythonapi.PyCapsule_New
new_capsule.restype = c.py_object
new_capsule.argtypes = [c.c_void_p, c.c_char_p, c.c_void_p]
names: dict[type[c.Structure], c.c_char_p] = {
    Schema: c.c_char_p(b"arrow_schema"),
    Array: c.c_char_p(b"arrow_array"),
    Stream: c.c_char_p(b"arrow_array_stream"),
}


def capsule(structure: Any) -> object:  # noqa: ANN401
    return new_capsule(c.addressof(structure), names[type(structure)], None)


class Batch:
    """Hands over a schema and an array."""

    def __init__(self, kind: Schema, values: Array) -> None:
        self.kind, self.values = kind, values

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        assert requested_schema is None
        return capsule(self.kind), capsule(self.values)


class Reader:
    """Hands over a stream of arrays, the end of which is a released one; `code` and `text` are its error."""

    def __init__(self, kind: Schema, pieces: list[Array], code: int = 0, text: bytes | None = None) -> None:
        waiting, kept_text = iter(pieces), c.c_char_p(text)

        def get_schema(_: int, out: int) -> int:
            c.memmove(out, c.addressof(kind), c.sizeof(Schema))
            return 0

        def get_next(_: int, out: int) -> int:
            piece = next(waiting, None)
            if piece is None:
                c.memset(out, 0, c.sizeof(Array))
                return code
            c.memmove(out, c.addressof(piece), c.sizeof(Array))
            return 0

        def get_last_error(_: int) -> int | None:
            return c.cast(kept_text, c.c_void_p).value

        calls = Get(get_schema), Get(get_next), Text(get_last_error)
        made = Stream(*map(address, calls))
        self.stream = keep(made, calls, kind, pieces, kept_text)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        assert requested_schema is None
        return capsule(self.stream)
