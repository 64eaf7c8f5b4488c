"""Runs that went through other libraries, several in one file, and metadata that contradict rows."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import udpping

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.python, pytest.mark.untimed]

HEADER = "target,seq,status,copies,rtt_ns,ttl"


@pytest.fixture(scope="module")
def run() -> udpping.Run:
    return udpping.sim.ping(count=30, loss="30%", delay="exponential:5ms", seed=3, reply="it's \xe9 {seq}")


def refused(text: str) -> str:
    with pytest.raises(udpping.ConfigError) as told:
        udpping.load(text)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_csv_that_went_through_pandas_comes_back(run: udpping.Run, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas", reason="has no wheel for this Python")
    assert udpping.load(pd.read_csv(io.StringIO(run.to_csv())).to_csv(index=False)) == run
    for index in (True, False):
        assert udpping.load(run.to_pandas().to_csv(index=index)) == run
    lines = pd.read_json(io.StringIO(run.to_json()), lines=True).to_json(orient="records", lines=True)
    assert udpping.load(lines) == run
    run.to_pandas().to_csv(tmp_path / "run.csv.gz")
    assert udpping.load(tmp_path / "run.csv.gz") == run


def test_csv_and_json_that_went_through_polars_pyarrow_and_duckdb_come_back(
    run: udpping.Run, tmp_path: Path
) -> None:
    pl = pytest.importorskip("polars", reason="has no wheel for this Python")
    assert udpping.load(pl.read_csv(io.StringIO(run.to_csv())).write_csv()) == run
    frame = run.to_polars().with_columns(pl.col("reply").cast(pl.String))
    assert udpping.load(frame.drop("rtt").write_csv()) == run
    assert udpping.load(frame.write_ndjson()) == run
    pa, csv = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.csv")
    csv.write_csv(pa.table(run), tmp_path / "arrow.csv")
    assert udpping.load(tmp_path / "arrow.csv") == run
    duckdb = pytest.importorskip("duckdb")
    for form in ("csv", "json"):
        plain = udpping.load(run.to_csv().replace("\xe9", "e"))
        duckdb.from_arrow(pa.table(plain)).to_df()
        duckdb.sql(f"copy (from plain) to '{tmp_path}/duck.{form}'")
        assert udpping.load(tmp_path / f"duck.{form}") == plain


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("1.5", "expected a whole number below 2^63"),
        ("2.", "expected a whole number below 2^63"),
        ("1.795635909919562e+18", "dtype_backend="),
        ("9007199254740994.0", "dtype_backend="),
        ("nan", "expected a whole number below 2^63"),
    ],
)
def test_a_number_that_a_float_changed_is_refused(value: str, complaint: str) -> None:
    told = refused(f"{HEADER}\na,1,reply,1,{value},64\n")
    assert f'value "{value}" of column rtt_ns in line 2' in told
    assert complaint in told


def test_whole_floats_are_whole() -> None:
    row = udpping.load(f"{HEADER}\na,1.0,reply,1.0,2529440.00,64.0\n").row(0)
    assert (row.seq, row.copies, row.rtt_ns, row.ttl) == (1, 1, 2_529_440, 64)


@pytest.mark.parametrize("reply", [b"b'PING 1'", b'b"it\'s"', b"b'", b"b", b"\\x62'", b"'b'", b"=b'a'"])
def test_a_reply_that_looks_like_bytes_of_python_comes_back(reply: bytes) -> None:
    run = made(reply)
    assert udpping.load(run.to_csv()) == run
    assert udpping.load(run.to_json()) == run
    pytest.importorskip("pandas", reason="has no wheel for this Python")
    assert udpping.load(run.to_pandas().to_csv()) == run


def made(reply: bytes) -> udpping.Run:
    from udpping import _core
    from udpping._files.runs import run_of

    row: dict[str, Any] = {
        "target": "a",
        "seq": 1,
        "status": "reply",
        "copies": 1,
        "rtt_ns": 5,
        "reply": reply,
    }
    return run_of(_core.run_from_rows([row]), None)


def test_bytes_of_python_that_were_cut_are_refused() -> None:
    told = refused("target,seq,status,copies,reply\na,1,timeout,0,b'PING\n")
    assert 'reply "b\'PING" in line 2 is not usable' in told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rtt_ns", "Rtt_ns"),
        ("rtt_ns", "rtt ns"),
        ("rtt_ns", "rtt_n"),
        ("rtt_ns", "rtt_ms"),
        ("ttl", "TTL"),
        ("ttl", "\u200bttl"),
        ("target", "targets"),
        ("seq", "Seq"),
    ],
)
def test_a_name_that_is_nearly_one_of_ours_is_not_dropped(old: str, new: str) -> None:
    row = {"target": "a", "seq": 1, "status": "timeout", "copies": 0, "rtt_ns": None, "ttl": None}
    renamed = json.dumps({new if name == old else name: value for name, value in row.items()}) + "\n"
    for text in (HEADER.replace(old, new, 1) + "\na,1,timeout,0,,\n", renamed):
        told = refused(text)
        assert "column " in told
        assert f'expected "{old}"' in told


def test_other_names_are_left_out() -> None:
    run = udpping.load(f"{HEADER},rtt_ms,note,tt\na,1,reply,1,5,64,0.5,x,1\n")
    assert run.row(0).rtt_ns == 5


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_told(separator: str) -> None:
    assert f"{separator!r} is not usable between fields" in refused(
        f"{HEADER}\na,1,timeout,0,,\n".replace(",", separator)
    )


def test_members_that_come_later_are_read() -> None:
    text = (
        '{"target":"a","seq":1,"status":"timeout","copies":0}\n'
        '{"target":"a","seq":2,"status":"reply","copies":1,"rtt_ns":5,"ttl":9}\n'
    )
    assert [(row.rtt_ns, row.ttl) for row in udpping.load(text)] == [(None, None), (5, 9)]


def later(run: udpping.Run) -> udpping.Run:
    """Give the same run as if it had begun later."""
    return udpping.load(run.to_csv(metadata=True).replace("1700000000000000000", "1700000001000000000"))


@pytest.mark.parametrize("metadata", [False, True])
def test_files_that_were_put_together_are_several_runs(run: udpping.Run, *, metadata: bool) -> None:
    other = later(run)
    assert other["run"].to_list() != run["run"].to_list()
    csv, lines = (
        [getattr(each, f"to_{form}")(metadata=metadata) for each in (run, other)] for form in ("csv", "json")
    )
    both = udpping.load("".join(csv))
    assert list(both) == [*run, *other]
    assert udpping.load("\n".join(lines)) == both
    assert both.summary.lost == 2 * run.summary.lost
    assert both.summary.reordered == 2 * (run.summary.reordered or 0)
    # What speaks of one of them is not said of both.
    assert (both.summary.foreign, both.summary.duration_ns) == (None, None)
    assert both.settings.get("loss") == run.settings.get("loss" if metadata else "")
    assert "each number once, for each run and target" in refused(csv[0] + csv[0])


def test_a_second_header_with_other_columns_is_told() -> None:
    text = f"{HEADER}\na,1,reply,1,5,64\n\ntarget,seq,status,copies,ttl,rtt_ns\na,2,reply,1,64,5\n"
    assert 'line 4 is not usable: expected a second header to be "target,seq,status' in refused(text)
    assert "line 4 is not usable: expected a second header" in refused(text.replace(",ttl,rtt_ns", ",ttl"))


def test_a_reply_that_says_what_metadata_begin_with_is_a_reply() -> None:
    for reply in (b"\n# udpping: {}\n", b"# udpping: {}", b'{"udpping": {}}'):
        run = made(reply)
        assert udpping.load(run.to_csv()) == run
        assert udpping.load(run.to_json()) == run


def printed(run: int, *pings: str, sent: int) -> str:
    start = {"schema": 1, "type": "start", "target": "a", "address": "192.0.2.1:7", "count": 2}
    lines = [
        json.dumps(start),
        *(
            json.dumps(
                {
                    "schema": 1,
                    "type": "ping",
                    "run": run,
                    "target": "a",
                    "seq": seq,
                    "status": status,
                    "copies": 0,
                }
            )
            for seq, status in enumerate(pings, 1)
        ),
        json.dumps(
            {"schema": 1, "type": "summary", "target": "a", "sent": sent, "received": 0, "foreign": 3}
        ),
    ]
    return "\n".join(lines) + "\n"


def test_several_runs_of_the_command_are_not_taken_for_one() -> None:
    one, two = printed(5, "timeout", "error", sent=2), printed(6, "error", "timeout", sent=2)
    both = udpping.load(one + two)
    assert [(row.run, row.status) for row in both] == [
        (5, "timeout"),
        (5, "error"),
        (6, "error"),
        (6, "timeout"),
    ]
    assert both.summary.foreign is None
    assert both.settings["targets"] == [{"target": "a", "address": "192.0.2.1:7"}]
    assert "line 8: sent 5 is not usable: expected 4" in refused(one + printed(6, "error", "timeout", sent=3))
    assert "line 4: sent 1 is not usable: expected 2" in refused(printed(5, "error", "timeout", sent=1))


@pytest.mark.parametrize(
    "changes",
    [
        {"lost": 31},
        {"sent": 10**18, "lost": 10**18},
        {"sent": 31},
        {"received": 0},
        {"loss": 0.5},
        {"rtt_min_ns": 1},
        {"duplicates": 7},
        {"reordered": 7},
        {"quantile_error": 0.01, "rtt_median_ns": 1e12},
        {"timeouts": 0},
    ],
)
def test_metadata_are_not_believed_over_the_rows(changes: dict[str, float], run: udpping.Run) -> None:
    comment, _, rows = run.to_csv(metadata=True).partition("\n")
    told = json.loads(comment.removeprefix("# udpping: "))
    for facts in (told["summary"], *told["summaries"]):
        facts.update(changes)
        facts["foreign"] = 4
    loaded = udpping.load(f"# udpping: {json.dumps(told)}\n{rows}")
    assert loaded.summary.foreign == 4
    expected = run.summary.as_dict() | {"foreign": 4}
    assert loaded.summary.as_dict() == expected


def test_the_sums_of_a_run_without_an_end_are_believed_as_far_as_they_can_be() -> None:
    """Its oldest rows are gone: the numbers of the others say so."""
    from udpping._core import wilson

    rows = f"{HEADER}\n" + "".join(f"a,{seq},timeout,0,,\n" for seq in range(91, 101))
    interval = wilson(100, 100)
    assert interval is not None
    facts: dict[str, Any] = {
        "target": "a",
        "sent": 100,
        "received": 0,
        "lost": 100,
        "timeouts": 100,
        "late": 0,
    }
    facts |= {"unreachable": 0, "errors": 0, "duplicates": 0, "unverified": 0}
    facts |= {"loss": 1.0, "loss_low": interval[0], "loss_high": interval[1]}
    told = {"settings": {"first_seq": 1}, "rows": 10, "summary": facts, "summaries": [facts]}
    for sent, expected in ((100, 100), (101, 10)):
        facts |= {"sent": sent, "lost": sent, "timeouts": sent}
        if sent == 101:
            facts |= dict(zip(("loss_low", "loss_high"), wilson(101, 101) or (), strict=True))
        assert udpping.load(f"# udpping: {json.dumps(told)}\n{rows}").summary.sent == expected
