"""Results are tables: for Arrow, numpy, pandas, polars, CSV, JSON, notebooks and plain loops."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import typing
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from udpping import _core, stats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.python, pytest.mark.untimed]

COLUMNS = list(udpping.Row._fields)


@pytest.fixture(scope="module")
def run() -> udpping.Run:
    """Four pings, the second and third lost."""
    return udpping.sim.ping(count=4, loss="pattern:.xx.", delay="2ms", seed=1)


def test_rows(run: udpping.Run) -> None:
    assert run.column_names == COLUMNS
    assert len(run) == 4
    rows = list(run)
    assert [row.seq for row in rows] == [1, 2, 3, 4]
    assert [row.status for row in rows] == ["reply", "timeout", "timeout", "reply"]
    assert rows[0].rtt_ns == 2_000_000
    assert rows[0].reply is not None
    assert rows[0].reply.startswith(b"PING 1 ")
    assert rows[1].rtt_ns is None
    assert rows[1].reply is None
    assert run.row(-1) == rows[3]


def test_a_row_is_typed_as_the_columns_are() -> None:
    kinds = {"int64": int, "uint64": int, "uint32": int, "uint8": int, "word": str, "bytes": bytes}
    columns = _core.run_columns()
    types = {name: kinds[kind] | None if nullable else kinds[kind] for name, kind, nullable, _ in columns}
    assert typing.get_type_hints(udpping.Row) == types
    assert [name for name, *_, unit in columns if unit == "ns"] == [
        name for name in COLUMNS if name == "run" or name.endswith("_ns")
    ]


@pytest.mark.parametrize("index", [4, -5])
def test_a_row_beyond_the_end_is_an_index_error(run: udpping.Run, index: int) -> None:
    with pytest.raises(IndexError, match=str(index)):
        run.row(index)


def test_columns(run: udpping.Run) -> None:
    assert run["rtt_ns"].to_list() == [2_000_000, None, None, 2_000_000]
    with pytest.raises(KeyError, match="colour"):
        run["colour"]


def test_numpy_shares_the_memory(run: udpping.Run) -> None:
    np = pytest.importorskip("numpy")
    column = run["rtt_ns"]
    one, two = np.asarray(column), np.asarray(column)
    assert one.ctypes.data == two.ctypes.data
    assert not one.flags.writeable
    assert one.dtype == np.dtype("m8[ns]")
    assert np.isnat(one).tolist() == [False, True, True, False]


LONG = 40_000
"""Rows for three pieces of a table."""


@pytest.fixture(scope="module")
def long_run() -> udpping.Run:
    """Many pings, of which the third of each four is lost; replies overtake each other."""
    return udpping.sim.ping(
        count=LONG, loss="pattern:..x.", delay="exponential:5ms", interval=0.001, timeout=1, seed=1
    )


def addresses(column: Any, buffer: int = 1) -> list[int]:  # noqa: ANN401 - pyarrow has no types
    """Where the pieces of a pyarrow column lie."""
    return [piece.buffers()[buffer].address for piece in column.chunks]


def test_arrow_shares_the_memory_of_a_run_however_long(run: udpping.Run, long_run: udpping.Run) -> None:
    pa, np = pytest.importorskip("pyarrow"), pytest.importorskip("numpy")
    for each, pieces in (run, 1), (long_run, 3):
        one, two = pa.table(each), pa.table(each)
        for name in COLUMNS:
            assert len(addresses(one[name])) == pieces
            assert addresses(one[name]) == addresses(two[name]), name
        assert addresses(one["reply"], 2) == addresses(two["reply"], 2)
    assert addresses(pa.table(run)["rtt_ns"]) == [np.asarray(run["rtt_ns"]).ctypes.data]


def test_polars_shares_the_memory_of_a_run_however_long(long_run: udpping.Run) -> None:
    pa, pl = pytest.importorskip("pyarrow"), pytest.importorskip("polars")
    frame, table = pl.DataFrame(long_run), pa.table(long_run)
    for name in ("seq", "due_ns", "sent_ns", "rtt_ns", "copies"):
        pieces = [piece.to_arrow() for piece in frame[name].get_chunks()]
        assert [piece.buffers()[1].address for piece in pieces] == addresses(table[name]), name
    assert frame["rtt_ns"].null_count() == LONG // 4


def test_duckdb_reads_all_of_a_long_run(long_run: udpping.Run) -> None:
    duckdb = pytest.importorskip("duckdb")
    told = duckdb.from_arrow(long_run).aggregate("count(*), count(rtt_ns), sum(seq)")
    assert told.fetchall() == [(LONG, LONG * 3 // 4, LONG * (LONG + 1) // 2)]


@pytest.mark.long
def test_a_column_of_a_long_run_is_put_together_once(long_run: udpping.Run) -> None:
    np = pytest.importorskip("numpy")
    one, two = np.asarray(long_run["seq"]), np.asarray(long_run["seq"])
    assert one.ctypes.data == two.ctypes.data
    assert (one == np.arange(1, LONG + 1)).all()
    assert long_run["rtt_ns"].null_count == LONG // 4
    rows = list(long_run)
    assert [row.seq for row in rows] == one.tolist()
    for name in COLUMNS:
        assert long_run[name].to_list() == [getattr(row, name) for row in rows], name
    for row in rows:
        assert (row.reply is None) == (row.status == "timeout") == (row.seq % 4 == 3)
        assert row.reply is None or row.reply.startswith(b"PING %d " % row.seq)


@pytest.mark.long
def test_a_long_run_is_the_same_however_it_is_cut(long_run: udpping.Run) -> None:
    again = udpping.load(long_run.to_csv(metadata=True))
    assert (again, again.summary) == (long_run, long_run.summary)
    changed = long_run.to_csv().replace(f"\n{long_run.row(-1).run},192.0.2.1:12000,20000,", "\n1,x,20000,")
    assert udpping.load(changed) != long_run
    assert udpping.load(long_run.to_csv()[: -len(long_run.to_csv().splitlines()[-1]) - 1]) != long_run


def test_statistics_of_a_long_run_are_those_of_its_columns(long_run: udpping.Run) -> None:
    columns = {name: long_run[name].to_list() for name in COLUMNS}
    for statistic in (stats.loss, stats.round_trip, stats.jitter, stats.reordering, stats.duplication):
        assert statistic(long_run) == statistic(columns)
    assert stats.loss(long_run).lost == long_run.summary.lost == LONG // 4


@pytest.mark.long
def test_what_was_seen_of_a_run_stays_as_it_was_seen() -> None:
    count = 50_000
    seen: list[tuple[udpping.Run, str]] = []
    with (
        udpping.Server(port=0, loss="pattern:...x") as server,
        udpping.Pinger(*server.address, count=count, interval=2e-5, timeout=0.2) as pinger,
    ):
        next(pinger)
        while len(seen) < 20 and (not seen or len(seen[-1][0]) < count):
            so_far = pinger.so_far()
            seen.append((so_far, so_far.to_csv()))
        whole = pinger.run()

    def lasting(row: udpping.Row) -> udpping.Row:
        """Leave out what may change after the reply: the kernel's stamp may be heard of later."""
        return row._replace(rtt_ns=None, stamp=None)

    rows = {row.seq: lasting(row) for row in whole}
    for so_far, text in seen:
        assert so_far.to_csv() == text
        # A ping that has timed out may still be answered.
        assert all(row.status == "timeout" or lasting(row) == rows[row.seq] for row in so_far)
    assert len(whole) == count


def test_many_short_runs_side_by_side_are_one_piece() -> None:
    pa = pytest.importorskip("pyarrow")
    with udpping.Server(port=0) as one, udpping.Server(port=0) as two, udpping.Server(port=0, loss=1) as deaf:
        run = udpping.ping_many([one, two, deaf], count=5, interval="1ms", timeout=3, linger=0)
    assert pa.table(run)["target"].num_chunks == 1
    assert run["target"].to_list() == [target for target in run.targets for _ in range(5)]
    assert run["source"].to_list() == [*(run.targets[0],) * 5, *(run.targets[1],) * 5, *(None,) * 5]


def test_a_column_outlives_its_run() -> None:
    np = pytest.importorskip("numpy")
    array = np.asarray(udpping.sim.ping(count=1000, delay="1ms")["rtt_ns"])
    assert (array.view("i8") == 1_000_000).all()


def test_polars(run: udpping.Run) -> None:
    pl = pytest.importorskip("polars")
    frame = run.to_polars()
    assert sorted(frame.columns) == sorted([*COLUMNS, "sent", "rtt"])
    assert pl.DataFrame(run).columns == COLUMNS
    assert frame["rtt_ns"].to_list() == [2_000_000, None, None, 2_000_000]
    assert frame.filter(pl.col("status") == "timeout").height == 2


def test_pyarrow(run: udpping.Run) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table(run)
    assert table.column_names == COLUMNS
    assert table["seq"].to_pylist() == [1, 2, 3, 4]
    assert pa.array(run["rtt_ns"]).null_count == 2


EARLY = ["seq", "status", "rtt", "sent", "reply", "target"]


def test_frames_begin_with_what_people_read() -> None:
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    run = udpping.sim.ping(count=3, loss="pattern:.x.", delay="2ms", interval=1)
    pandas, polars = run.to_pandas(), run.to_polars()
    assert list(pandas.columns)[:6] == polars.columns[:6] == EARLY
    assert list(pandas.columns) == polars.columns
    assert [str(pandas[name].dtype) for name in ("sent", "rtt")] == ["datetime64[ns, UTC]", "timedelta64[ns]"]
    assert [polars.schema[name] for name in ("sent", "rtt")] == [pl.Datetime("ns", "UTC"), pl.Duration("ns")]
    assert pandas["rtt"].dt.total_seconds().to_list()[::2] == [0.002, 0.002]
    assert pandas["rtt"].isna().to_list() == polars["rtt"].is_null().to_list() == [False, True, False]
    assert polars["rtt"].dt.total_milliseconds().to_list() == [2, None, 2]
    assert pandas["sent"].iloc[1] == pd.Timestamp(run[1].sent_wall_ns, tz="UTC")
    assert polars["sent"].dt.timestamp("ns").to_list() == run["sent_wall_ns"].to_list()


@pytest.mark.parametrize("count", [3, 100_000])
def test_the_head_of_a_pandas_frame_shows_status_and_round_trip_in_80_columns(count: int) -> None:
    pd = pytest.importorskip("pandas")
    frame = udpping.sim.ping(count=count, loss="pattern:.x.", delay="2ms").to_pandas()
    with pd.option_context("display.width", 80, "display.max_columns", 0):
        lines = str(frame.tail()).splitlines()
    assert lines[0].split()[:4] == ["seq", "status", "rtt", "..."]
    assert max(map(len, lines)) <= 80


def test_a_frame_of_a_run_without_times_has_the_same_columns() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    told = "PING a (192.0.2.1) 56(84) bytes of data.\n64 bytes from a: icmp_seq=1 ttl=64 time=1.5 ms\n"
    run, timed = udpping.load(told), udpping.sim.ping(count=1)
    assert (run.to_pandas().dtypes == timed.to_pandas().dtypes).all()
    assert run.to_polars().schema == timed.to_polars().schema
    assert run.to_pandas()["sent"].isna().all()


def test_time_and_duration_of_a_frame_are_ignored_when_it_is_loaded(tmp_path: Path) -> None:
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    run = udpping.sim.ping(count=20, loss="30%", delay="exponential:5ms", seed=3)
    run.to_pandas().to_parquet(tmp_path / "pandas.parquet")
    run.to_polars().write_parquet(tmp_path / "polars.parquet")
    assert udpping.load(tmp_path / "pandas.parquet") == udpping.load(tmp_path / "polars.parquet") == run
    assert udpping.load(run.to_pandas().to_csv()) == run
    text = run.to_polars().drop("rtt").with_columns(pl.col("reply").cast(pl.String)).write_csv()
    assert udpping.load(text) == run
    other = run.to_pandas().assign(rtt=pd.Timedelta(0), sent="soon")
    assert udpping.load(other.to_csv()) == run
    assert udpping.fit(other) == udpping.fit(run)


def heads(html: str) -> list[str]:
    return re.findall("<th[^>]*>([^<]*)</th>", html.rpartition("<table>")[2])


def test_a_run_shows_first_what_people_read() -> None:
    run = udpping.sim.ping(count=3, loss="pattern:.x.", delay="2ms")
    html = run._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert heads(html)[:5] == ["seq", "sent (UTC)", "status", "rtt (ms)", "reply"]
    assert "2023-11-14 22:13:20.000" in html.replace("\N{NO-BREAK SPACE}", " ")
    assert "2.000" in html
    assert "rtt_ns" in heads(html)


def test_columns_without_a_value_are_named_and_not_shown() -> None:
    run = udpping.sim.ping(count=2, loss=1)
    html = run._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert not {"server_recv_ns", "rtt (ms)", "rtt_ns", "reply"} & {*heads(html)}
    assert "server_recv_ns, server_sent_ns" in html.rpartition("without a value: ")[2]
    assert run.column_names == COLUMNS


def test_one_value_in_the_last_piece_of_a_long_run_is_enough() -> None:
    run = udpping.sim.ping(count=20_000, loss=udpping.loss.Trace([True] * 19_999 + [False]), timeout=1e-3)
    html = run._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert {"rtt (ms)", "reply"} <= {*heads(html)}
    assert "ttl" not in heads(html)


def test_other_tables_show_times_for_people_too() -> None:
    with udpping.Server(port=0, loss="pattern:.x", delay="1ms", record=True) as server:
        udpping.ping(server, count=2, interval="1ms", timeout=3)
    text = repr(server.log)
    first, after = text.splitlines()[1:3]
    assert first.split()[:3] == ["recv", "(UTC)", "client"]
    assert re.match(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}  127\.0\.0\.1:\d+ +1  answer +- +1\.000", after)
    watched = udpping.sim.heartbeat(["crash@1m"], duration="5m")
    assert repr(watched.events).splitlines()[1].split()[:4] == ["time", "(UTC)", "event", "message"]
    assert repr(watched.peers).splitlines()[1].split()[:4] == ["client", "state", "since", "(UTC)"]


@pytest.mark.parametrize("loss", [0, 1, "pattern:.x"])
def test_pandas_types_do_not_depend_on_the_rows(loss: float | str) -> None:
    pytest.importorskip("pandas")
    frame = udpping.sim.ping(count=4, loss=loss).to_pandas()
    types = {name: str(frame[name].dtype) for name in ("seq", "rtt_ns", "ttl", "bytes", "status", "reply")}
    assert types == {
        "seq": "UInt64",
        "rtt_ns": "Int64",
        "ttl": "UInt8",
        "bytes": "UInt32",
        "status": "str",
        "reply": "object",
    }


def test_pandas_frames_can_be_changed(run: udpping.Run) -> None:
    pytest.importorskip("pandas")
    frame = run.to_pandas()
    frame.loc[0, "rtt_ns"] = 5
    frame.loc[0, "copies"] = 7
    assert run["rtt_ns"].to_list()[0] == 2_000_000


def test_pandas_without_pyarrow() -> None:
    pytest.importorskip("pandas")
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import udpping\n"
        "frame = udpping.sim.ping(count=4, loss='pattern:.x').to_pandas()\n"
        "print(int(frame['rtt_ns'].isna().sum()), frame['rtt_ns'].dtype)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "2 Int64\n", done.stderr


def test_csv(run: udpping.Run, tmp_path: Path) -> None:
    text = run.to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == COLUMNS
    assert [row["rtt_ns"] for row in rows] == ["2000000", "", "", "2000000"]
    assert rows[0]["reply"].startswith("PING 1 ")
    run.to_csv(tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text(encoding="utf-8") == text


def test_json(run: udpping.Run, tmp_path: Path) -> None:
    text = run.to_json()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["rtt_ns"] for row in rows] == [2_000_000, None, None, 2_000_000]
    run.to_json(str(tmp_path / "run.json"))
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == text


def test_bytes_that_are_no_text_survive() -> None:
    run = udpping.sim.ping(count=1, reply='caf\xe9,"{seq}"\n\x1b[31m')
    (row,) = csv.DictReader(io.StringIO(run.to_csv()))
    assert row["reply"] == 'caf\xe9,"1"\n\x1b[31m'
    assert json.loads(run.to_json())["reply"] == row["reply"]


def odd_tables() -> Iterator[udpping.Table]:
    """Tables with all that text can trip over."""
    yield udpping.sim.ping(
        count=4, loss="pattern:.x", reply='\x00\x07\x08\t\x0c\r\n\x1f"\\/,\x7f\u2028\U0001f600 {seq}'
    )
    yield udpping.sim.ping(count=2, reply=" \xe9'")
    yield udpping.load('target,seq,status,rtt_ns,copies,reply\na,1,reply,5,1,""\n"b,",2,timeout,,0,\n')
    with udpping.Server(port=0, record=True) as server:
        yield udpping.ping(*server.address, count=2)
    yield server.log
    yield stats.rolling(udpping.sim.ping(count=30, loss="10%", delay="exponential:5ms"), pings=10)
    yield stats.loss_periods(udpping.sim.ping(count=9, loss="pattern:.x"))


def test_text_is_what_python_writes() -> None:
    def plain(value: object) -> object:
        return value.decode() if isinstance(value, bytes) else value

    def field(value: object) -> str:
        text = "" if value is None else str(value)
        quoted = value is not None and (not text or set(text) & set('",\r\n'))
        return '"' + text.replace('"', '""') + '"' if quoted else text

    for table in odd_tables():
        rows = [dict(zip(table.column_names, map(plain, row), strict=True)) for row in table]
        lines = [json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows]
        assert table.to_json() == "".join(lines).replace("\x7f", r"\u007f").replace("\u2028", r"\u2028")
        records = [table.column_names, *(row.values() for row in rows)]
        assert table.to_csv() == "".join(",".join(map(field, record)) + "\n" for record in records)


def test_a_slice_is_a_list_of_rows(run: udpping.Run) -> None:
    assert run[1:3] == list(run)[1:3]
    assert run[::-1] == list(run)[::-1]
    assert run[-1:] == [run[3]]
    assert run[9:] == []


def test_a_misspelt_column_gets_the_right_one_suggested(run: udpping.Run) -> None:
    with pytest.raises(KeyError) as caught:
        run["statu"]
    (told,) = caught.value.args
    assert told.startswith('no column "statu"; there are run, target, seq, ')
    assert told.endswith("; did you mean 'status'?")
    with pytest.raises(KeyError) as caught:
        run["xyz"]
    assert "did you mean" not in str(caught.value)


def test_repr_is_the_summary_and_the_rows(run: udpping.Run) -> None:
    summary, rows = repr(run).split("\n\n")
    head, *lines = rows.split("\n")
    assert head == "SimRun: 4 rows"
    assert lines[0].split()[:6] == ["seq", "sent", "(UTC)", "status", "rtt", "(ms)"]
    assert [line.split()[3] for line in lines[1:5]] == [row.status for row in run]
    assert summary == (
        f"--- {run.targets[0]} ---\n"
        "4 sent, 2 received in time, 2 of 4 lost (50.0 %; 95 % interval 15.0 to 85.0 %)\n"
        "rtt min/avg/median/max/stddev = 2.000/2.000/2.000/2.000/0.000 ms"
    )


def html_of(table: udpping.Table) -> str:
    """Show it as a notebook does."""
    return table._repr_html_()  # pyright: ignore[reportPrivateUsage]


def test_html_is_plain_and_escaped() -> None:
    run = udpping.sim.ping(count=50, loss="pattern:.x", reply="<script>alert({seq})</script>")
    html = html_of(run)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "currentColor" in html
    lost = html.split('data-marks="lost"', 1)[1].split(' d="', 1)[1].split('"', 1)[0]
    assert lost.count("M") == 25
    assert "50.0 % [36.6 to 63.4]" in html.replace("\xa0", " ")


@pytest.mark.parametrize("loss", [0, 1])
def test_html_of_extremes(loss: int) -> None:
    html = html_of(udpping.sim.ping(count=1, loss=loss))
    assert html.count("<svg") == 1
    assert "nan" not in html


def test_html_of_a_long_run_stays_small() -> None:
    assert len(html_of(udpping.sim.ping(count=50_000, loss="30%", delay="exponential:5ms"))) < 40_000


def test_summary(run: udpping.Run) -> None:
    facts = run.summary.as_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["sent"] == 4
    assert (run.summary.received, run.summary.lost, run.summary.timeouts) == (2, 2, 2)
    assert run.summary.loss == 0.5
    assert set(udpping.Summary.__annotations__) == set(facts)


def test_a_summary_without_replies_has_no_round_trips() -> None:
    summary = udpping.sim.ping(count=2, loss=1).summary
    assert summary.rtt_min_ns is None
    assert "rtt" not in repr(summary)


def test_the_log_is_the_ground_truth() -> None:
    with udpping.Server(port=0, loss="pattern:.xx.", record=True) as server:
        run = udpping.ping(*server.address, count=4, interval="1ms", timeout=3)
    log = server.log
    assert [row.verdict for row in log] == ["answer", "drop", "drop", "answer"]
    assert [row.reason for row in log] == [None, "loss", "loss", None]
    assert log["seq"].to_list() == run["seq"].to_list() == [1, 2, 3, 4]
    assert len(log.to_csv().splitlines()) == 5
    assert "<table>" in html_of(log)
    assert set(server.counters.as_dict()) == set(udpping.Counters.__annotations__)


def test_a_server_without_record_has_an_empty_log() -> None:
    with udpping.Server(port=0) as server:
        udpping.ping(*server.address, count=1)
    assert len(server.log) == 0
    assert repr(server.log) == "Log: 0 rows; a server keeps a log if it is made with record=True"
    assert "made with record=True" in html_of(server.log)
    with udpping.Server(port=0, record=True) as server:
        assert "record=True" not in repr(server.log) + html_of(server.log)
    assert len(server.log.to_csv().splitlines()) == 1


def test_several_targets() -> None:
    with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
        targets: list[str | tuple[str, int]] = [f"127.0.0.1:{near.address[1]}", deaf.address]
        run = udpping.ping_many(targets, count=2, interval="1ms", timeout=3, linger=0)
    assert [summary.received for summary in run.summaries] == [2, 0]
    assert run.summary.sent == 4
    assert {row.target for row in run} == set(run.targets)
    assert repr(run).count("---") == 4
    assert run.targets[1] in html_of(run)
