"""Files and pickles of runs with bytes changed, and Arrow data that nobody checked: an error, never a crash.

As a program, `test_arrow_files.py WAY SEED COUNT` changes bytes and prints each seed before it is tried, so
that a crash has a name.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from capsules import Batch, array, memory, schema
from test_arrow import Table
from udpping import _core, stats
from udpping._table.table import core_of

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.untimed

SEED = int(os.environ.get("SOAK_SEED", "14"))
COUNT = min(int(os.environ.get("PROPTEST_CASES", "100")), 10_000)
TIME_LIMIT = 3_000
RUN = udpping.sim.ping(count=60, loss="burst:20%,3", delay="exponential:50ms", interval=0.01, seed=4)


def load_without_pyarrow(path: str) -> udpping.Run:
    from udpping._files import parquet

    return parquet._by_polars(path)  # pyright: ignore[reportPrivateUsage]


def of_parquet(content: bytes, load: Callable[[str], udpping.Run] = udpping.load) -> object:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        return load(file.name).to_csv()


def of_parquet_by_polars(content: bytes) -> object:
    return of_parquet(content, load_without_pyarrow)


def of_ipc(content: bytes) -> object:
    """Read Arrow's own format, which pyarrow does not check; what it refuses is none of our business."""
    import pyarrow as pa

    try:
        table = pa.ipc.open_stream(io.BytesIO(content)).read_all()
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None
    return stats.loss(table), stats.round_trip(table), len(stats.Pings(table).by_target())


def of_ipc_by_polars(content: bytes) -> object:
    import polars as pl

    try:
        frame = pl.read_ipc_stream(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        return None
    return stats.loss(frame), stats.round_trip(frame)


def of_parquet_by_duckdb(content: bytes) -> object:
    """Read with DuckDB, which refuses much, but hands on text that it did not check."""
    import duckdb

    with tempfile.NamedTemporaryFile(suffix=".parquet") as file, duckdb.connect() as connection:
        file.write(content)
        file.flush()
        try:
            read = connection.read_parquet(file.name)
        except (duckdb.Error, RuntimeError, UnicodeDecodeError):
            return None
        with suppress(duckdb.Error):
            return stats.loss(read), stats.round_trip(read)
    return None


def of_buffers(content: bytes) -> object:
    core = _core.run_from_buffers(content)
    return core.csv_lines(0, len(core)), stats.loss(
        udpping.Run(core, RUN.summary, (RUN.summary,), RUN.settings)
    )


def parquet(run: udpping.Run) -> bytes:
    whole = io.BytesIO()
    run.to_parquet(whole)
    return whole.getvalue()


def plain_parquet(run: udpping.Run) -> bytes:
    """Write few columns as they are, so that most changes are changes of values."""
    pa: Any = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    whole, names = io.BytesIO(), ["target", "seq", "rtt_ns", "status", "copies"]
    table = pa.table(run).select(names)
    table = table.cast(
        pa.schema([(name, pa.string() if name in {"target", "status"} else pa.int64()) for name in names])
    )
    pq.write_table(
        table, whole, compression="none", use_dictionary=False, write_statistics=False, store_schema=False
    )
    return whole.getvalue()


def ipc(run: udpping.Run) -> bytes:
    pa: Any = pytest.importorskip("pyarrow")
    whole, table = io.BytesIO(), pa.table(run)
    for name in ("status", "target"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.string()))
    with pa.ipc.new_stream(whole, table.schema) as stream:
        stream.write_table(table)
    return whole.getvalue()


PARTS = (12, 17, 12, 8, 1, 48, 45)
"""The lengths of the parts of hand-made structures that a change cannot make longer than their memory."""


def structures(_: udpping.Run) -> bytes:
    keys, status, ends = struct.pack("=3i", 0, 1, 0), b"replytimeoutreply", struct.pack("=3i", 0, 5, 12)
    views = struct.pack("=i4sii", 20, b"repl", 0, 5) * 3
    return keys + status + ends + struct.pack("=2i", 0, 1) + b"\7" + views + b"reply" * 9


def of_structures(content: bytes) -> object:
    content = content.ljust(sum(PARTS), b"\0")
    parts = []
    for length in PARTS:
        parts.append(memory(content[:length]))
        content = content[length:]
    keys, status, ends, word_ends, bits, views, long = parts
    table = Table()
    last = struct.pack("=i", 17)
    table.column(
        "status", schema(b"u"), array(3, [bits, memory(bytes(ends)[:12] + last), status], null_count=-1)
    )
    inner = array(2, [None, memory(bytes(word_ends)[:8] + struct.pack("=i", 2)), memory(b"ab")])
    table.column("target", schema(b"i", dictionary=schema(b"u")), array(3, [None, keys], dictionary=inner))
    other = array(3, [None, views, long, memory(struct.pack("=q", 45))])
    column = Batch(schema(b"vu"), other)
    with suppress(udpping.ConfigError):
        stats.loss({"rtt_ns": [1, 2, 3], "target": column})
    return stats.loss(table.batch())


WAYS: dict[str, tuple[Callable[[udpping.Run], bytes], Callable[[bytes], object]]] = {
    "parquet": (parquet, of_parquet),
    "parquet by polars": (parquet, of_parquet_by_polars),
    "parquet by duckdb": (plain_parquet, of_parquet_by_duckdb),
    "ipc": (ipc, of_ipc),
    "ipc by polars": (ipc, of_ipc_by_polars),
    "structures": (structures, of_structures),
    "pickle": (lambda run: core_of(run).buffers(), of_buffers),
}


def altered(content: bytes, draw: random.Random) -> bytes:
    """Change one to three bytes, or what looks like a number, or cut."""
    out = bytearray(content)
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(out))
        match draw.randrange(5):
            case 0:
                out[place] ^= 1 << draw.randrange(8)
            case 1:
                out[place] = draw.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                number = draw.choice([-1, 0, 1, 2**31 - 1, 2**31, 2**63 - 1, -(2**63), 10**13])
                place -= place % 8
                out[place : place + 8] = struct.pack("<q" if number < 2**63 else "<Q", number)[
                    : len(out) - place
                ]
            case 3:
                out[place] = draw.randrange(256)
            case _:
                out[place : place + 2] = out[place : place + 2][::-1]
    return bytes(out[: draw.randrange(len(out))]) if draw.random() < 0.05 else bytes(out)


def main(way: str, seed: int, count: int) -> None:
    write, read = WAYS[way]
    content = write(RUN)
    refused = 0
    for number in range(count):
        draw = random.Random(seed + number)
        sys.stdout.write(f"{seed + number}\n")
        sys.stdout.flush()
        # Whatever else is raised ends the program.
        with suppress(udpping.ConfigError):
            read(altered(content, draw))
            continue
        refused += 1
    sys.stdout.write(json.dumps({"refused": refused}))


@pytest.mark.timeout(TIME_LIMIT)
@pytest.mark.parametrize("way", WAYS)
def test_no_byte_that_is_changed_does_more_than_an_error(way: str) -> None:
    for library in ("polars", "duckdb"):
        if library in way:
            pytest.importorskip(library)
    if way.startswith(("parquet", "ipc")):
        pytest.importorskip("pyarrow")
    done = subprocess.run(
        [sys.executable, __file__, way, str(SEED), str(COUNT)],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    *_, last = done.stdout.splitlines() or [""]
    assert done.returncode == 0, f"seed {last} with {way}: exit code {done.returncode}: {done.stderr[-2000:]}"
    assert json.loads(last)["refused"] > 0


LOADS: dict[str, Callable[[str], udpping.Run]] = {"pyarrow": udpping.load, "polars": load_without_pyarrow}
WRONG = {"short": b"\xff\xfe\xfd", "of a length": b"\xff" * 100, "long": b"reply" * 14_000 + b"\xc3"}


def written(path: Path, name: str, column: Any) -> str:  # noqa: ANN401 - pyarrow has no types
    """Write a run to a file with one column replaced or added."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(RUN)
    if name in table.column_names:
        table = table.drop_columns([name])
    pq.write_table(table.append_column(name, column), path)
    return str(path)


@pytest.mark.parametrize("by", LOADS)
@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["status", "target", "source", "match", "stamp"])
def test_a_file_with_text_that_is_no_utf_8_is_refused(
    tmp_path: Path, name: str, content: bytes, by: str
) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    pytest.importorskip(by)
    for kind in (pa.StringArray, pa.LargeStringArray):
        offsets = offsets_of(len(RUN), len(content), 4 if kind is pa.StringArray else 8)
        column = kind.from_buffers(len(RUN), pa.py_buffer(offsets), pa.py_buffer(content * len(RUN)))
        path = written(tmp_path / "run.parquet", name, column)
        with pytest.raises(udpping.ConfigError) as caught:
            LOADS[by](path)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500


def offsets_of(rows: int, length: int, width: int) -> bytes:
    return b"".join((row * length).to_bytes(width, sys.byteorder) for row in range(rows + 1))


@pytest.mark.parametrize("by", LOADS)
@pytest.mark.parametrize("name", ["a\0b", "\x1b[2J", "", "rtt_ns.x", "note"])
def test_columns_that_are_none_of_ours_are_not_read(tmp_path: Path, name: str, by: str) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    pytest.importorskip(by)
    text = pa.StringArray.from_buffers(
        len(RUN), pa.py_buffer(offsets_of(len(RUN), 1, 4)), pa.py_buffer(b"\xff" * len(RUN))
    )
    columns = (text, pa.array([[[[]]]] * len(RUN)), pa.array([{"a": None}] * len(RUN)))
    paths = [written(tmp_path / f"{place}.parquet", name, each) for place, each in enumerate(columns)]
    # In a child, as polars ends the process when it hands over a name with a NUL.
    program = (
        "import sys, test_arrow_files as it; "
        "print([len(it.LOADS[sys.argv[1]](path)) for path in sys.argv[2:]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, by, *paths],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{[len(RUN)] * 3}\n"), done.stderr


TYPES = [
    *("tinyint", "utinyint", "integer", "ubigint", "hugeint", "uhugeint", "float", "double", "decimal(4,0)"),
    *("decimal(38,5)", "varchar", "blob", "boolean", "date", "time", "timetz", "timestamp", "timestamp_s"),
    *("timestamp_ns", "timestamptz", "interval", "uuid", "bit", "bignum", "json", "integer[]", "integer[3]"),
    *("struct(a integer)", "map(varchar,integer)", "union(a integer)", "enum('reply','1')"),
]


@pytest.mark.parametrize(
    "setting",
    [
        "arrow_lossless_conversion=false",
        "arrow_lossless_conversion=true",
        "produce_arrow_string_view=true",
        "arrow_large_buffer_size=true",
        "arrow_output_list_view=true",
    ],
)
def test_columns_of_duckdb_of_any_type_and_name_are_read_or_refused(setting: str) -> None:
    duckdb: Any = pytest.importorskip("duckdb")
    pa: Any = pytest.importorskip("pyarrow")
    connection = duckdb.connect()
    connection.execute(f"set {setting}")
    run = connection.from_arrow(pa.table(RUN).select(["target", "seq", "rtt_ns", "status", "copies"]))
    refused: dict[str, str] = {}
    for name, kind in product(("target", "rtt_ns", "status"), TYPES):
        for value in (f"try_cast({name} as {kind})", f"null::{kind}"):
            # DuckDB has no such cast, or an older version has no such type.
            with suppress(duckdb.Error):
                column = run.project(f"* replace ({value} as {name})")
                try:
                    stats.loss(column)
                except udpping.ConfigError as error:
                    refused[kind] = str(error)
    assert {"blob", "interval", "map(varchar,integer)", "integer[]"} <= refused.keys()
    for name in ("a\0b", "\x1b[2J", "\u202e", "a\nb", "x" * 10_000):
        assert stats.loss(run.project(f'*, 1 as "{name}"')) == stats.loss(RUN)
        with pytest.raises(udpping.ConfigError, match="without rtt_ns") as caught:
            stats.loss(run.project(f'seq, 1 as "{name}"'))
        refused[name] = str(caught.value)
    assert all(text.isprintable() and "report" not in text and len(text) < 500 for text in refused.values())


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", ["status", "target"])
def test_text_of_duckdb_that_is_no_utf_8_is_refused(name: str, content: bytes) -> None:
    duckdb: Any = pytest.importorskip("duckdb")
    pa: Any = pytest.importorskip("pyarrow")
    offsets = pa.py_buffer(offsets_of(len(RUN), len(content), 4))
    column = pa.StringArray.from_buffers(len(RUN), offsets, pa.py_buffer(content * len(RUN)))
    table = pa.table(RUN)
    connection = duckdb.connect()
    connection.register("run", table.set_column(table.column_names.index(name), name, column))
    with pytest.raises(udpping.ConfigError) as caught:
        stats.loss(connection.sql("from run"))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("by", LOADS)
def test_what_only_begins_as_parquet_is_refused(tmp_path: Path, by: str) -> None:
    pytest.importorskip(by)
    path = tmp_path / "run.parquet"
    whole = parquet(RUN)
    for content in (
        b"PAR1",
        b"PAR1" * 3,
        whole[:-9],
        whole[: len(whole) // 2] + b"PAR1",
        b"PAR1" + bytes(99),
    ):
        path.write_bytes(content)
        with pytest.raises(udpping.ConfigError, match="Parquet") as caught:
            LOADS[by](str(path))
        assert str(caught.value).isprintable()


def test_a_file_that_cannot_be_opened_is_the_system_s_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        udpping.load(tmp_path / "none.parquet", "parquet")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
