"""The results of a mesh as tables: for Arrow, frames and arrays, and as matrices."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from meshes import hosts, rows
from udpping._mesh._frame import KINDS, Pairs, frame, matrix
from udpping._mesh._rows import PairRow
from udpping.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.untimed, pytest.mark.python]

FULL = PairRow(
    *(
        1,
        "a",
        "b",
        "r0",
        "r1",
        40_000,
        60,
        58,
        1,
        2,
        1,
        0,
        1,
        100,
        150.5,
        200.25,
        300.0,
        400,
        70.5,
        80.0,
        10,
        -5,
        15,
    ),
    "cut off",
)
EMPTY = PairRow._make((2, "b", "a", "r1", "r0", None, 0, 0, 0, 0, *[None] * 13, "not heard"))


def test_rows_go_in_and_come_out_as_they_are() -> None:
    table = frame([FULL, EMPTY])
    assert list(table) == [FULL, EMPTY]
    assert table[-1].error == "not heard"
    assert table.column_names == list(PairRow._fields)
    assert frame(table) is table
    assert list(frame([])) == []


def test_rounds_are_put_behind_each_other() -> None:
    first = frame([FULL])
    both = frame([EMPTY, FULL], first)
    assert list(both) == [FULL, EMPTY, FULL]
    assert list(first) == [FULL]
    assert list(frame([], both)) == list(both)
    assert both["source"].to_list() == ["a", "b", "a"]
    assert both == frame([FULL, EMPTY, FULL])


def test_text_has_all_columns_and_values() -> None:
    lines = frame([FULL, EMPTY]).to_csv().splitlines()
    assert lines[0].split(",") == list(PairRow._fields)
    assert lines[2] == "2,b,a,r1,r0,,0,0,0,0,,,,,,,,,,,,,,not heard"
    assert "Pairs: 2 rows" in repr(frame([FULL, EMPTY]))


def of_polars(table: Pairs) -> tuple[list[str], dict[str, list[Any]]]:
    polars = pytest.importorskip("polars", reason="has no wheel for this Python")
    read = polars.DataFrame(table)
    return read.columns, read.to_dict(as_series=False)


def of_pyarrow(table: Pairs) -> tuple[list[str], dict[str, list[Any]]]:
    pyarrow = pytest.importorskip("pyarrow", reason="has no wheel for this Python")
    read = pyarrow.table(table)
    return read.column_names, read.to_pydict()


def of_pandas(table: Pairs) -> tuple[list[str], dict[str, list[Any]]]:
    pandas = pytest.importorskip("pandas", reason="has no wheel for this Python")
    read = table.to_pandas()
    plain = {
        name: [None if pandas.isna(value) else value for value in read[name].to_list()]
        for name in read.columns
    }
    return list(read.columns), plain


def of_dask(table: Pairs) -> tuple[list[str], dict[str, list[Any]]]:
    dask: Any = pytest.importorskip("dask.dataframe", reason="Dask is in one environment")
    read = dask.from_pandas(table.to_pandas(), npartitions=2)
    assert read["sent"].sum().compute() == sum(row.sent for row in table)
    assert dict(read.groupby("source")["sent"].sum().compute()) == {"a": 120, "b": 0}
    return of_pandas(table)


@pytest.mark.parametrize("reader", [of_polars, of_pyarrow, of_pandas, of_dask])
def test_libraries_read_it(reader: Callable[[Pairs], tuple[list[str], dict[str, list[Any]]]]) -> None:
    every = [FULL, EMPTY, FULL]
    names, read = reader(frame(every[2:], frame(every[:2])))
    assert names == list(PairRow._fields)
    assert list(zip(*(read[name] for name in names), strict=True)) == [tuple(each) for each in every]


def test_a_matrix_adds_up_rounds_and_ports() -> None:
    other = FULL._replace(
        round=2, sent=40, received=40, lost_up=0, rtt_min_ns=90, rtt_p50_ns=250.5, rtt_max_ns=410
    )
    names = [host._replace(name=name) for host, name in zip(hosts(3), "abc", strict=True)]

    def value(what: str) -> object:
        found = matrix([FULL, EMPTY, other], names, what)
        assert found.hosts == ("a", "b", "c")
        assert found["a", "c"] is None
        return found["a", "b"]

    expected = {
        "sent": 100,
        "received": 98,
        "lost": 2,
        "loss": 0.02,
        "lost_up": 1,
        "lost_down": 0,
        "loss_up": 0.01,
        "loss_down": 0.0,
        "min": 90,
        "p50": 200.5,
        "p90": 200.25,
        "p99": 300.0,
        "max": 410,
        "up": 70.5,
        "down": 80.0,
    }
    assert {what: value(what) for what in KINDS} == expected
    nothing = matrix([FULL, EMPTY], names, "loss")
    assert nothing["b", "a"] is None
    assert len(nothing) == 3


def test_a_matrix_is_an_array_and_a_text() -> None:
    numpy = pytest.importorskip("numpy", reason="has no wheel for this Python")
    every = frame(rows(random.Random(1), 4, lambda a, b: float(a == 1 and b == 2)))
    found = matrix(every, hosts(4), "loss")
    array = numpy.asarray(found)
    assert array.shape == (4, 4)
    assert array[1, 2] == array[2, 1] == 1
    assert numpy.isnan(array.diagonal()).all()
    assert numpy.nansum(array) == 2
    assert repr(found).splitlines()[2].split() == ["h1", "0", "%", "-", "100", "%", "0", "%"]
    many = repr(matrix(rows(random.Random(1), 20, lambda _a, _b: 0, peers=1), hosts(20), "loss"))
    assert many.splitlines()[-1] == "and 8 more hosts"


def test_names_that_do_not_exist_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"what 'p999' is not usable: expected one of sent, .*; did you mean 'p99'\?"
    ):
        matrix([], hosts(2), "p999")
    named = [host._replace(name=name) for host, name in zip(hosts(2), ("alpha", "beta"), strict=True)]
    with pytest.raises(KeyError, match=r"no host 'alhpa'; did you mean 'alpha'\?"):
        matrix([], named, "loss")["alhpa", "beta"]
