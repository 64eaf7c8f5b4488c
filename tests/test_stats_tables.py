"""Which tables the statistics read: every kind gives the numbers of the run it was made of."""

from __future__ import annotations

import array
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import udpping
from udpping import stats

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.python, pytest.mark.untimed]

RUN = udpping.sim.ping(count=500, loss="burst:20%,3", delay="exponential:50ms", interval=0.01, seed=4)


def facts(table: object) -> tuple[object, ...]:
    return (
        stats.round_trip(table),
        stats.ipdv(table),
        stats.pdv(table),
        stats.jitter(table),
        stats.loss(table),
        stats.loss_runs(table),
        stats.duplication(table),
        stats.reordering(table),
        stats.rolling(table, pings=100)["rtt_median_ns"].to_list(),
        stats.loss_periods(table)["outage_ns"].to_list(),
        stats.Digest(table),
    )


EXPECTED = facts(RUN)


def polars(table: udpping.Run) -> object:
    return pytest.importorskip("polars").DataFrame(table)


def polars_chunks(table: udpping.Run) -> object:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(table)
    return pl.concat([frame[:7], frame[7:300], frame[300:]], rechunk=False)


def polars_of_other_types(table: udpping.Run) -> object:
    pl = pytest.importorskip("polars")
    return pl.DataFrame(table).with_columns(
        pl.col("seq").cast(pl.Int32),
        pl.col("copies").cast(pl.UInt8),
        pl.col("rtt_ns").cast(pl.Duration("ns")),
        pl.col("sent_ns").cast(pl.Datetime("ns")),
        pl.col("status").cast(pl.String),
        pl.col("target").cast(pl.Categorical),
    )


def pyarrow(table: udpping.Run) -> object:
    return pytest.importorskip("pyarrow").table(table)


def pyarrow_chunks(table: udpping.Run) -> object:
    pa = pytest.importorskip("pyarrow")
    whole = pa.table(table)
    return pa.concat_tables([whole[:1], whole[1:250], whole[250:250], whole[250:]])


def pyarrow_plain_text(table: udpping.Run) -> object:
    pa = pytest.importorskip("pyarrow")
    whole = pa.table(table)
    for name, kind in (("status", pa.large_string()), ("target", pa.string_view()), ("seq", pa.int64())):
        place = whole.column_names.index(name)
        column = whole[name].cast(pa.string()) if name != "seq" else whole[name]
        whole = whole.set_column(place, name, column.cast(kind))
    return whole


def pyarrow_sliced(table: udpping.Run) -> object:
    pa = pytest.importorskip("pyarrow")
    whole = pa.table(table)
    return pa.concat_tables([whole[:100], whole]).combine_chunks()[100:]


def pyarrow_batch(table: udpping.Run) -> object:
    return pytest.importorskip("pyarrow").table(table).to_batches()[0]


def duckdb(table: udpping.Run) -> object:
    duckdb = pytest.importorskip("duckdb")
    frame = pytest.importorskip("pyarrow").table(table)
    return duckdb.sql("from frame").to_arrow_table() if frame else frame


def duckdb_relation(table: udpping.Run) -> object:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    connection.register("run", pytest.importorskip("pyarrow").table(table))
    return connection.sql("select * from run")


def pandas(table: udpping.Run) -> object:
    pytest.importorskip("pandas")
    return table.to_pandas()


def pandas_of_arrow(table: udpping.Run) -> object:
    pd, pa = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    return pa.table(table).to_pandas(types_mapper=pd.ArrowDtype)


def pandas_floats(table: udpping.Run) -> object:
    return pytest.importorskip("pyarrow").table(table).to_pandas()


def pandas_of_other_types(table: udpping.Run) -> object:
    pd = pytest.importorskip("pandas")
    frame = table.to_pandas()
    frame["rtt_ns"] = pd.to_timedelta(frame["rtt_ns"].astype("Int64"), unit="ns")
    frame["sent_ns"] = pd.to_datetime(frame["sent_ns"].astype("Int64"), unit="ns", utc=True)
    frame["status"] = frame["status"].astype("category")
    frame["seq"] = frame["seq"].astype("int32")
    return frame.sample(frac=1, random_state=1)


def lists(table: udpping.Run) -> dict[str, list[object]]:
    return {name: table[name].to_list() for name in table.column_names if name != "reply"}


def own_columns(table: udpping.Run) -> object:
    return {name: table[name] for name in table.column_names}


def numpy_arrays(table: udpping.Run) -> object:
    np = pytest.importorskip("numpy")
    numbers = {
        name: np.asarray(table[name]) for name in ("run", "seq", "due_ns", "sent_ns", "rtt_ns", "copies")
    }
    numbers["seq"] = numbers["seq"].astype(">u2")
    return numbers | {name: np.asarray(table[name]) for name in ("status", "target")}


KINDS: list[Callable[[udpping.Run], object]] = [
    polars,
    polars_chunks,
    polars_of_other_types,
    pyarrow,
    pyarrow_chunks,
    pyarrow_plain_text,
    pyarrow_sliced,
    pyarrow_batch,
    duckdb,
    duckdb_relation,
    pandas,
    pandas_of_arrow,
    pandas_floats,
    pandas_of_other_types,
    lists,
    own_columns,
    numpy_arrays,
    stats.Pings,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_table_gives_the_same(kind: Callable[[udpping.Run], object]) -> None:
    for expected, found in zip(EXPECTED, facts(kind(RUN)), strict=True):
        assert found == expected


def test_rows_in_any_order_are_sorted_out() -> None:
    columns = lists(RUN)
    shuffled = {name: values[::-1] for name, values in columns.items()}
    assert facts(shuffled) == EXPECTED


def test_pandas_is_enough_without_pyarrow() -> None:
    pytest.importorskip("pandas")
    program = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import udpping
from udpping import stats
run = udpping.sim.ping(count=200, loss="20%", delay="exponential:50ms", interval=0.01, seed=4)
frame = run.to_pandas()
for one in (stats.loss, stats.jitter, stats.ipdv, stats.duplication, stats.loss_runs):
    assert one(frame) == one(run), one
assert "pyarrow" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_several_tables_are_pooled() -> None:
    pooled = stats.loss([RUN, own_columns(RUN), {"rtt_ns": [None]}])
    once = stats.loss(RUN)
    assert (pooled.sent, pooled.lost) == (2 * once.sent + 1, 2 * once.lost + 1)
    assert stats.loss([]).sent == 0


def test_targets_can_be_told_apart() -> None:
    table = {"rtt_ns": [5, 6, None, 8], "target": ["a", "b", "b", None]}
    parts = stats.Pings([table, {"rtt_ns": [9], "target": ["b"]}]).by_target()
    assert {target: len(pings) for target, pings in parts.items()} == {"a": 1, "b": 3, None: 1}
    assert stats.round_trip(parts["b"]).max_ns == 9


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1.4, 1.6, float("nan")], [1, 2]),
        ([1, 2.5, None], [1, 3]),
        (array.array("i", [1, 2]), [1, 2]),
        (array.array("d", [1.0, 2.0]), [1, 2]),
        (range(1, 3), [1, 2]),
        ([None, None], []),
    ],
    ids=repr,
)
def test_round_trips_may_have_a_fraction_or_none(column: object, expected: list[int]) -> None:
    found = stats.round_trip({"rtt_ns": column}, [0.0, 1.0])
    assert (found.count, found.min_ns, found.max_ns) == (
        len(expected),
        min(expected, default=None),
        max(expected, default=None),
    )


def test_units_become_nanoseconds() -> None:
    np = pytest.importorskip("numpy")
    for unit, scale in (("ms", 1_000_000), ("us", 1_000), ("s", 1_000_000_000)):
        column = np.array([3, "NaT"], dtype=f"m8[{unit}]")
        assert stats.round_trip({"rtt_ns": column}).max_ns == 3 * scale
        assert stats.loss({"rtt_ns": column}).lost == 1
        pa = pytest.importorskip("pyarrow")
        arrow = pa.table({"rtt_ns": pa.array([3, None], pa.duration(unit))})
        assert stats.round_trip(arrow).max_ns == 3 * scale
        assert stats.loss(arrow).lost == 1


def test_what_is_masked_is_missing() -> None:
    """DuckDB's `fetchnumpy` gives masked arrays, and whatever stands below a mask is no round trip."""
    np = pytest.importorskip("numpy")
    below = [7_000_000, 1, 9_000_000]
    for kind in ("i8", "u4", "f8", "m8[ns]", object):
        column = np.ma.array(below, dtype=kind, mask=[0, 1, 0])
        found = stats.round_trip({"rtt_ns": column}, [0.0])
        assert (found.count, found.min_ns) == (2, 7_000_000), kind
    words = np.ma.array(["reply", "what", "reply"], mask=[0, 0, 0], dtype=object)
    with pytest.raises(udpping.ConfigError, match="what"):
        stats.loss({"rtt_ns": below, "status": words})
    with pytest.raises(udpping.ConfigError, match="seq null"):
        stats.loss({"rtt_ns": below, "seq": np.ma.array([1, 2, 3], mask=[0, 1, 0])})


def test_polars_columns_that_nobody_needs_may_be_of_any_type() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {
            "rtt_ns": [1, 2],
            "note": [None, None],
            "large": pl.Series([1, 2], dtype=pl.Int128),
        }
    )
    assert stats.loss(frame).received == 2
    # Of such a frame polars does not know the type, as nothing in it has one.
    lost = pl.DataFrame({"rtt_ns": [None, None], "status": ["timeout", "late"], "target": [None, None]})
    assert (stats.loss(lost).lost, stats.loss(lost).late) == (2, 1)


def test_nothing_has_no_type_that_could_be_wrong() -> None:
    pd, np = pytest.importorskip("pandas"), pytest.importorskip("numpy")
    empty = pd.DataFrame({"rtt_ns": [], "status": np.array([]), "target": [], "seq": []})
    assert (stats.loss(empty).sent, len(stats.Pings(empty))) == (0, 0)
    # What pandas makes of an empty column of a CSV file.
    unnamed = pd.DataFrame({"rtt_ns": [1, 2], "target": [np.nan, np.nan]})
    assert list(stats.Pings(unnamed).by_target()) == [None]


def test_rows_are_a_table_too() -> None:
    late = [row for row in RUN if row.seq > 100]
    assert stats.loss(late).sent == 400
    assert facts(list(RUN)) == EXPECTED


def test_lists_hold_numbers_of_any_library_and_times() -> None:
    np = pytest.importorskip("numpy")
    for column in (
        [timedelta(microseconds=2), None],
        [np.float32(2000), None],
        [np.int16(2000), None],
        [Decimal("2000.2"), None],
    ):
        assert stats.round_trip({"rtt_ns": column}).max_ns == 2_000, column
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=3)))
    for sent in ([moment, moment], [moment.replace(tzinfo=None)] * 2):
        told = stats.rolling({"rtt_ns": [1, 1], "sent_ns": sent}, pings=2)["start_ns"].to_list()
        zone = sent[0].tzinfo or UTC
        assert told == [round(sent[0].replace(tzinfo=zone).timestamp()) * 10**9 - 321_099_000]


def test_of_pings_that_were_never_sent_there_is_no_jitter() -> None:
    table = {"rtt_ns": [None, None], "status": ["error", "error"], "sent_ns": [None, None]}
    assert (stats.jitter(table).count, stats.jitter(table).mean_ns) == (0, None)
    assert (stats.reordering(table).received, stats.Digest(table).jitter()) == (0, stats.jitter(table))


def test_times_that_are_no_nanoseconds_are_refused() -> None:
    np = pytest.importorskip("numpy")
    for column in (
        np.array([10**11, 1], "m8[s]"),
        np.array([2**55, 1], "m8[s]"),  # 0 nanoseconds, if it wraps around
        np.array([300 * 365, "NaT"], "m8[D]"),
    ):
        with pytest.raises(udpping.ConfigError, match="292 years"):
            stats.loss({"rtt_ns": column})
    sent = np.array(["9999-12-31", "2026-01-01"], "M8[us]")
    with pytest.raises(udpping.ConfigError, match="292 years"):
        stats.jitter({"rtt_ns": [1, 2], "sent_ns": sent})
    fine = np.array([1_999, "NaT", -5], "m8[ps]")
    assert stats.round_trip({"rtt_ns": fine}).max_ns == 1


def test_an_array_of_more_rows_than_memory_is_refused() -> None:
    np = pytest.importorskip("numpy")
    with pytest.raises(udpping.ConfigError, match="of 10000000000000 rows"):
        stats.loss({"rtt_ns": np.broadcast_to(np.int64(5), 10**13)})
    assert stats.loss({"rtt_ns": np.broadcast_to(np.int64(5), 1_000)}).sent == 1_000


def test_pings_in_flight_are_left_out() -> None:
    table = {"rtt_ns": [5, None, None], "status": ["reply", "open", "timeout"], "seq": [1, 2, 3]}
    assert (stats.loss(table).sent, stats.loss(table).timeouts) == (2, 1)


BAD: list[tuple[object, str]] = [
    (5, "int"),
    (None, "NoneType"),
    ("run.csv", "str"),
    ({}, "without rtt_ns"),
    ({"time": [1]}, "there are time"),
    ([{"rtt_ns": [1]}, 5], "int"),
    ({"rtt_ns": 5}, "int"),
    ({"rtt_ns": "12"}, "str"),
    ({"rtt_ns": ["fast"]}, "rtt_ns of type Utf8"),
    ({"rtt_ns": [1, "2"]}, "'2'"),
    ({"rtt_ns": [True]}, "True"),
    ({"rtt_ns": [10**30]}, "64 bits"),
    ({"rtt_ns": [float("inf")]}, "rtt_ns inf"),
    ({"rtt_ns": [1], "seq": [1, 2]}, "seq of 2 rows"),
    ({"rtt_ns": [1], "sent_ns": [1, 2]}, "sent_ns of 2 rows"),
    ({"rtt_ns": [1, 2], "seq": [4, 4]}, "seq 4"),
    ({"rtt_ns": [1, 2], "seq": [1, None]}, "seq null"),
    ({"rtt_ns": [1, 2], "seq": [-1, 2]}, "seq -1"),
    ({"rtt_ns": [1, 2], "seq": [1, 2.5]}, "seq 2.5"),
    ({"rtt_ns": [1], "status": ["fine"]}, 'status "fine"'),
    ({"rtt_ns": [1], "status": [None]}, "status null"),
    ({"rtt_ns": [1], "status": [1]}, "status of type Int64"),
    ({"rtt_ns": [None], "status": ["reply"]}, "reply of row 0"),
    ({"rtt_ns": [1], "sent_ns": [None]}, "without arrival or sent_ns"),
    ({"rtt_ns": [1, 2], "sent_ns": [0, None]}, "sent_ns null"),
]


@pytest.mark.parametrize(("table", "message"), BAD, ids=lambda each: repr(each)[:40])
def test_a_table_that_cannot_be_used_is_one_clear_error(table: object, message: str) -> None:
    with pytest.raises(udpping.ConfigError, match=message) as caught:
        stats.jitter(table)
    assert "\n" not in str(caught.value)


def test_what_is_not_needed_is_not_looked_at() -> None:
    table = {"rtt_ns": [1], "copies": ["many"], "reply": [object()]}
    assert stats.loss(table).received == 1


def test_arrow_that_is_no_table_is_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    with pytest.raises(udpping.ConfigError, match="one column"):
        stats.loss(pa.array([1, 2]))
    text = pa.array(["reply"])
    broken = pa.StringArray.from_buffers(1, text.buffers()[1], pa.py_buffer(b"\xff\xfe\xff\xfe\xff"))
    for table in (pa.table({"rtt_ns": [1], "status": broken}), {"rtt_ns": [1], "status": broken}):
        with pytest.raises(udpping.ConfigError, match="UTF"):
            stats.loss(table)
    with pytest.raises(udpping.ConfigError, match="structs"):
        stats.loss(pa.table({"rtt_ns": [{"a": 1}]}))
