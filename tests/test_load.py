"""Runs go to files and come back: the same rows, types, summaries and settings."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from socket import gethostname
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import pytest
import udpping
from common import call
from udpping import _core, stats
from udpping._files.runs import run_of
from udpping._results.settings import KEY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.python, pytest.mark.untimed]

NAMES = list(udpping.Row._fields)
STATUSES = ("reply", "late", "timeout", "unreachable", "error")


def ways(run: udpping.Run, folder: Path) -> dict[str, udpping.Run]:
    """Write it in every way that keeps everything, and load it."""
    run.to_csv(folder / "run.csv", metadata=True)
    run.to_json(folder / "run.ndjson", metadata=True)
    with gzip.open(folder / "run.csv.gz", "wt", encoding="utf-8", newline="") as file:
        file.write(run.to_csv(metadata=True))
    loaded = {name: udpping.load(folder / name) for name in ("run.csv", "run.ndjson", "run.csv.gz")}
    loaded["text"] = udpping.load(run.to_json(metadata=True))
    loaded["pickle"] = pickle.loads(pickle.dumps(run))  # noqa: S301 - it is our own
    return loaded


def assert_same(loaded: udpping.Run, run: udpping.Run, way: str) -> None:
    assert loaded == run, way
    assert loaded.summary == run.summary, way
    assert loaded.summaries == run.summaries, way
    assert loaded.settings == run.settings, way
    assert loaded.targets == run.targets, way


def made(rows: list[dict[str, object]]) -> udpping.Run:
    return run_of(_core.run_from_rows(rows), None)


def row(**values: object) -> dict[str, object]:
    return {"target": "a:1", "seq": 1, "status": "timeout", "copies": 0} | values


def random_reply(chance: random.Random) -> bytes:
    pieces = [
        b"\\",
        b"\\x",
        b"\\xff",
        b"\\x5c",
        b"\xff",
        b"\xc3",
        b"\x00",
        b"\r",
        b"\n",
        b",",
        b'"',
        "é☃".encode(),
    ]
    return b"".join(chance.choices([*pieces, b"PING 1 ", b" "], k=chance.randrange(6)))


def random_run(seed: int) -> udpping.Run:
    """Make rows of every kind, with whatever a reply may say."""
    chance = random.Random(seed)
    rows: list[dict[str, object]] = []
    for target in chance.sample(["ä:1", "[::1]:2", 'a,"b":3'], chance.randrange(1, 4)):
        for seq in range(chance.randrange(20)):
            status = chance.choice(STATUSES)
            answered = status in {"reply", "late"}
            facts: dict[str, object] = {
                "run": chance.choice([None, 5]),
                "target": target,
                "seq": chance.choice([seq, 2**64 - 1 - seq]),
                "sent_ns": chance.choice([None, chance.randrange(-(2**62), 2**62)]),
                "status": status,
                "copies": chance.randrange(1, 4) if answered else 0,
                "rtt_ns": chance.randrange(10**9) if answered else None,
                "ttl": chance.choice([None, 0, 255]),
                "reply": chance.choice([None, b"", random_reply(chance)]) if answered else None,
                "match": chance.choice(["seq", "payload", "unverified"]) if answered else None,
            }
            rows.append(row(**facts))
    return made(rows)


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_in_the_rows_comes_back(seed: int, tmp_path: Path) -> None:
    run = random_run(seed)
    for way, loaded in ways(run, tmp_path).items():
        assert_same(loaded, run, way)
    assert udpping.load(run.to_csv()) == run
    if len(run):
        assert udpping.load(run.to_json(), format="json") == run


@pytest.mark.parametrize("seed", range(8))
def test_parquet_keeps_everything(seed: int, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    run = random_run(seed)
    run.to_parquet(tmp_path / "run.parquet")
    assert_same(udpping.load(tmp_path / "run.parquet"), run, "parquet")


@pytest.mark.parametrize("writer", ["pyarrow", "polars"])
@pytest.mark.parametrize("reader", ["pyarrow", "polars"])
def test_either_library_reads_what_the_other_wrote(writer: str, reader: str, tmp_path: Path) -> None:
    for library in (writer, reader):
        pytest.importorskip(library)
    path = str(tmp_path / "run.parquet")
    make = "run = udpping.sim.ping(count=9, loss='50%', seed=4, reply='a\\x00\xe9')\n"
    same = (
        f"one = udpping.load({path!r})\n"
        "assert one == run and one.summary == run.summary and one.settings == run.settings"
    )
    for library, code in ((writer, f"run.to_parquet({path!r})"), (reader, same)):
        other = {"pyarrow": "polars", "polars": "pyarrow"}[library]
        program = f"import sys; sys.modules[{other!r}] = None\nimport udpping\n{make}{code}"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_without_a_library_for_parquet_the_error_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pyarrow'] = sys.modules['polars'] = None\n"
        "import udpping\n"
        f"try: udpping.sim.ping(count=1).to_parquet({str(tmp_path / 'a')!r})\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "pip install" in done.stdout, done.stderr


def test_runs_that_were_measured_come_back(tmp_path: Path) -> None:
    with (
        udpping.Server(port=0, loss="pattern:.x", reply="same") as near,
        udpping.Server(port=0, loss=1) as deaf,
    ):
        several = udpping.ping_many([near.address, deaf.address], count=4, timeout=0.05)
        late = udpping.ping(*near.address, count=3, timeout=0.05)
    nobody = udpping.ping("127.0.0.1", 9, count=2, timeout=60)
    for run in (several, late, nobody):
        for way, loaded in ways(run, tmp_path).items():
            assert_same(loaded, run, way)
    assert nobody.summary.unreachable == 2
    assert several.settings["targets"][0]["target"] == several.targets[0]


def test_a_run_over_ipv6_and_an_endless_one_come_back(tmp_path: Path) -> None:
    with udpping.Server("::1", port=0) as server, udpping.Pinger(*server.address, count=None) as pinger:
        for pinged in pinger:
            if pinged.seq == 20:
                break
    run = pinger.run()
    assert run.summary.quantile_error > 0
    for way, loaded in ways(run, tmp_path).items():
        assert_same(loaded, run, way)


def test_a_long_run_is_pickled_column_by_column() -> None:
    run = udpping.sim.ping(count=40_000, loss="30%", delay="exponential:5ms", timeout=0.02, seed=3)
    loaded = pickle.loads(pickle.dumps(run))  # noqa: S301 - it is our own
    assert_same(loaded, run, "pickle")
    assert isinstance(loaded, udpping.SimRun)
    for name in NAMES:
        assert loaded[name].to_list() == run[name].to_list()
        assert loaded[name].null_count == run[name].null_count
    assert stats.round_trip(loaded) == stats.round_trip(run)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_run_is_pickled_by_every_protocol(protocol: int) -> None:
    run = random_run(7)
    assert_same(pickle.loads(pickle.dumps(run, protocol)), run, "pickle")  # noqa: S301


def test_the_rows_of_a_run_may_go_out_of_band() -> None:
    run = udpping.sim.ping(count=1_000, loss="10%")
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(run, protocol=5, buffer_callback=buffers.append)
    (rows,) = buffers
    assert len(pickled) < 5_000 < len(rows.raw())
    for sent in (rows, bytearray(rows.raw())):
        assert_same(pickle.loads(pickled, buffers=[sent]), run, "pickle")  # noqa: S301


def test_a_damaged_pickle_is_one_clear_error() -> None:
    run = random_run(5)
    restore, (kind, told, rows, checksum) = cast("Any", run.__reduce_ex__(4))
    assert_same(restore(kind, told, rows, checksum), run, "pickle")
    damaged = [flipped(rows, bit) for bit in range(8 * len(rows))]
    for sent in [*damaged, *(rows[:length] for length in range(len(rows))), rows + b"\0"]:
        with pytest.raises(udpping.ConfigError, match="pickled run is not usable: its bytes are not those"):
            restore(kind, told, sent, checksum)
    with pytest.raises(udpping.ConfigError):
        restore(kind, told.replace(":", ";", 1), rows, checksum)


def test_what_is_pickled_is_read_with_care_even_if_its_checksum_is_right() -> None:
    run = random_run(5)
    restore, (kind, told, rows, _) = cast("Any", run.__reduce_ex__(4))
    chance = random.Random(1)
    refused = 0
    cut = [rows[:length] for length in range(0, len(rows), 8)]
    for sent in [*cut, *(flipped(rows, chance.randrange(8 * len(rows))) for _ in range(5_000))]:
        try:
            loaded = restore(kind, told, sent, crc32(sent, crc32(told.encode())))
        except udpping.ConfigError:
            refused += 1
        else:
            assert len(list(loaded)) == len(run)
    assert refused > len(cut)


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def measure(count: int) -> udpping.Run:
    with udpping.Server(port=0, loss="pattern:.x") as server:
        return udpping.ping(*server.address, count=count, interval="1ms", timeout=3)


def test_runs_come_from_the_processes_of_a_pool() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(measure, [2, 4]))
    assert [[row.status for row in run] for run in runs] == [["reply", "timeout"], 2 * ["reply", "timeout"]]
    assert [run.settings["count"] for run in runs] == [2, 4]


def test_a_run_knows_the_machine_that_it_was_made_on(tmp_path: Path) -> None:
    for run in (udpping.sim.ping(count=1), udpping.ping("127.0.0.1", 9, count=1, timeout=0.05)):
        for way, loaded in ways(run, tmp_path).items():
            assert loaded.settings["host"] == gethostname(), way
    told = run.to_csv(metadata=True).replace('"host":', '"of":')
    assert "host" not in udpping.load(told).settings


def test_a_simulated_run_keeps_its_seed() -> None:
    run = udpping.sim.ping(count=5, loss="30%", delay="exponential:1ms", scope="shared")
    loaded = udpping.load(run.to_json(metadata=True))
    assert isinstance(loaded, udpping.SimRun)
    assert loaded.seed == run.seed == loaded.settings["seed"]
    assert {"loss", "delay", "reply", "scope", "udpping", "schema", "clocks", "timeout"} <= set(run.settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        udpping.sim.ping(count=1).settings["seed"] = 1


def test_arrow_readers_see_the_metadata(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    run = udpping.sim.ping(count=3, loss="10%", seed=9)
    told = json.loads(pa.table(run).schema.metadata[KEY.encode()])
    assert told["settings"] == dict(run.settings)
    assert told["summary"]["foreign"] == 0
    run.to_parquet(tmp_path / "run.parquet")
    import pyarrow.parquet as pq

    assert KEY.encode() in pq.read_schema(tmp_path / "run.parquet").metadata


def test_rows_that_were_left_out_later_are_not_summed_up(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    run = udpping.sim.ping(count=10, loss="pattern:.x")
    pq.write_table(pa.table(run).slice(0, 4), tmp_path / "part.parquet")
    part = udpping.load(tmp_path / "part.parquet")
    assert (part.summary.sent, part.summary.received) == (4, 2)
    assert (part.summary.duration_ns, part.summary.foreign) == (None, None)
    assert part.settings == run.settings


def test_other_readers_of_our_files(tmp_path: Path) -> None:
    pd, pl, duckdb = (pytest.importorskip(name) for name in ("pandas", "polars", "duckdb"))
    run = udpping.sim.ping(count=6, loss="pattern:.x", delay="2ms")
    run.to_csv(tmp_path / "run.csv")
    run.to_parquet(tmp_path / "run.parquet")
    expected = run["rtt_ns"].to_list()
    assert [
        None if pd.isna(rtt) else int(rtt) for rtt in pd.read_csv(tmp_path / "run.csv")["rtt_ns"]
    ] == expected
    for file, read in (("csv", pl.read_csv), ("parquet", pl.read_parquet)):
        assert read(tmp_path / f"run.{file}")["rtt_ns"].to_list() == expected
        found = duckdb.sql(f"select rtt_ns from '{tmp_path}/run.{file}' order by seq").fetchall()  # noqa: S608
        assert [rtt for (rtt,) in found] == expected
    assert pl.read_csv(tmp_path / "run.csv", comment_prefix="#").columns == NAMES


def test_what_a_csv_alone_does_not_tell_is_none() -> None:
    run = udpping.sim.ping(count=20, loss="30%", delay="uniform:0ms,20ms", interval=0.001, seed=1)
    summary = udpping.load(run.to_csv()).summary
    assert (summary.foreign, summary.unmatched, summary.behind, summary.duration_ns) == (None,) * 4
    assert summary.pending == 0
    assert summary.reordered == run.summary.reordered
    assert summary.reordered
    assert (summary.rtt_median_ns, summary.lost) == (run.summary.rtt_median_ns, run.summary.lost)


def test_an_empty_answer_is_not_a_missing_one() -> None:
    run = made([row(status="reply", copies=1, rtt_ns=5, reply=b""), row(seq=2)])
    assert [r["reply"] for r in csv.DictReader(io.StringIO(run.to_csv()))] == ["", ""]
    assert [r.reply for r in udpping.load(run.to_csv())] == [b"", None]


def test_what_the_command_prints_comes_back() -> None:
    with udpping.Server(port=0, loss="pattern:.x") as server:
        target = f"127.0.0.1:{server.address[1]}"
        done = call("ping", target, "-i", "1ms", "-c", 4, "-W", 3, "--json")
    run = udpping.load(done.stdout)
    # They stand in the order in which they were settled.
    found = {ping.seq: ping.status for ping in run}
    assert found == {1: "reply", 2: "timeout", 3: "reply", 4: "timeout"}
    told = json.loads(done.stdout.splitlines()[-1])
    assert {
        name: value for name, value in told.items() if name not in {"schema", "type"}
    } == run.summary.as_dict()
    assert run.settings["timeout"] == 3


def test_tables_are_equal_when_all_values_are() -> None:
    run = udpping.sim.ping(count=3, seed=1)
    assert run == udpping.sim.ping(count=3, seed=1)
    assert run != udpping.sim.ping(count=4, seed=1)
    assert run != udpping.sim.ping(count=3, seed=1, loss="pattern:.x")
    assert run != [*run]
    with pytest.raises(TypeError, match="unhashable"):
        hash(run)


HEADER = "target,seq,status,copies,rtt_ns,ttl"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEADER}\na,1,reply,1,5,64\na,x,reply,1,5,64\n", '"x" of column seq in line 3'),
        (f"{HEADER}\na,1,open,1,5,64\n", "reply, late, timeout"),
        (f"{HEADER}\na,1,reply,1,-5,64\n", "from 0"),
        (f"{HEADER}\na,1,reply,1,nan,64\n", "whole number below 2^63"),
        (f"{HEADER}\na,1,reply,1,99999999999999999999,64\n", "whole number below 2^63"),
        (f"{HEADER}\na,1,reply,1,5,256\n", "0 to 255"),
        (f"{HEADER}\na,,reply,1,5,64\n", "a value in every row"),
        (f"{HEADER}\na,1,reply\n", "6 fields"),
        (f'{HEADER}\n"a,1,reply,1,5,64\n', "quotes that end"),
        ("target,seq,status\na,1,reply\n", '"copies"'),
        ("seq,seq,status\n1,1,reply\n", "each name once"),
        (f"# udpping: {{}}x\n{HEADER}\n", "JSON"),
        (f'# udpping: {{"rows": "many"}}\n{HEADER}\n', "settings, rows"),
        (
            '{"target":"a","seq":1,"status":"reply","copies":1,"rtt_ns":5}\n{"target":5,"seq":1}\n',
            "value 5 of column target in line 2",
        ),
        ('{"target":"a","seq":1e300,"status":"reply","copies":1,"rtt_ns":5}\n', "line 1"),
        ('{"target":"a","seq":NaN,"status":"reply","copies":1,"rtt_ns":5}\n', "line 1"),
        ('{"target":"a","seq":' + "9" * 5000 + ',"status":"reply","copies":1,"rtt_ns":5}\n', "line 1"),
        (
            '{"target":"a","seq":[1],"status":"reply","copies":1,"rtt_ns":5}\n',
            "object of Unicode text, numbers",
        ),
        ('{"target":"a","seq":1,"status":"error","copies":0}\n' + "[" * 100_000, "line 2"),
        ('{"target":"\\ud800","seq":1,"status":"reply","copies":1,"rtt_ns":5}\n', "object of Unicode text"),
        ('{"schema":1,"type":"start"}\n', "no ping"),
        ('{"version":' + "[" * 100_000, "irtt"),
        ('{"version":{},"config":{},"stats":{},"round_trips":[{"seqno":"a"}]}\n', "irtt"),
        ("PING a (192.0.2.1)\n64 bytes from a: icmp_seq=1 ttl=999 time=1 ms\n", "line 2"),
        ("PING a (192.0.2.1)\n64 bytes from a: icmp_seq=1 ttl=64 time=1.1.1 ms\n", "line 2"),
        ("PING a (192.0.2.1)\n9999999999 packets transmitted, 0 received\n", "0 to 4294967296"),
        ("PING a (192.0.2.1)\n4000000000 packets transmitted, 0 received\n", "at most 1000000"),
        ("PING a (192.0.2.1)\n3 packets transmitted, 3 received, 0% packet loss\n", "without -q"),
        ("a : [4000000000], 64 bytes, 1 ms (1 avg, 0% loss)\n", "at most 1000000"),
        ("nothing\nof this kind\n", "parquet, csv, json"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(text: str, words: str) -> None:
    with pytest.raises(udpping.ConfigError) as caught:
        udpping.load(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way", ["csv", "json", "parquet"])
def test_a_number_that_stands_there_twice_is_refused(way: str, tmp_path: Path) -> None:
    run = udpping.sim.ping(count=4, loss="pattern:.x")
    if way == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        table = pa.table(run)
        pq.write_table(pa.concat_tables([table, table.slice(1, 1)]), tmp_path / "run.parquet")
        text: Any = tmp_path / "run.parquet"
    else:
        text = run.to_csv() if way == "csv" else run.to_json()
        text += text.splitlines()[-2] + "\n"
    with pytest.raises(udpping.ConfigError, match=r"seq [23] is not usable: expected each number once"):
        udpping.load(text)


def test_numbers_may_be_out_of_order_and_the_same_for_others() -> None:
    run = udpping.sim.ping(count=4)
    head, *rows = run.to_csv().splitlines()
    others = [row.replace("192.0.2.1:12000", "192.0.2.2:12000") for row in rows]
    loaded = udpping.load("\n".join([head, *rows[::-1], *others]) + "\n")
    assert loaded["seq"].to_list() == [4, 3, 2, 1, 1, 2, 3, 4]
    assert stats.loss(loaded).sent == 8


def test_json_lines_of_others_are_read() -> None:
    text = (
        '\n{ "udpping" : {"settings": {"a": 1}, "rows": 9, "summary": {}, "summaries": []} }\n\n'
        '{"seq": 1, "status": "reply", "target": "a", "copies": 1, '
        '"rtt_ns": 2.0, "reply": "\\u00e9\\ud83d\\ude00"}\r\n'
        '{"target": "a", "copies": 0, "status": "timeout", "seq": 2, "more": NaN}\n'
    )
    run = udpping.load(text)
    assert run.settings["a"] == 1
    assert [(row.seq, row.status, row.rtt_ns) for row in run] == [(1, "reply", 2), (2, "timeout", None)]
    assert run.row(0).reply == "\xe9\U0001f600".encode()
    for line, complaint in (
        ('{"seq": {}}', "line 6 .* expected a JSON object of"),
        ('{"seq": 3, "target": "a", "copies": 0, "status": "gone"}', 'value "gone" .* in line 6'),
        ('{"seq": 3.5, "target": "a", "copies": 0, "status": "timeout"}', "in line 6"),
    ):
        with pytest.raises(udpping.ConfigError, match=complaint):
            udpping.load(text + line)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        udpping.load(tmp_path / "nowhere.csv")
    for name, content in (
        ("a.parquet", b"PAR1" + bytes(20)),
        ("a.gz", b"\x1f\x8b\x08"),
        ("a.bin", b"\xff\xfe\x00"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(udpping.ConfigError, match="is not usable"):
            udpping.load(tmp_path / name)
    with pytest.raises(udpping.ConfigError, match="parquet, csv"):
        udpping.load(tmp_path / "a.bin", format="xml")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"resp": {"host":"a","seq":0,"rtt":1' + 400 * "0" + ',"size":1}}', "line 1: "),
        ('{"resp": {"host":"a","seq":true,"rtt":1.5,"size":1}}', "line 1: number 'True'"),
        ('{"vSum": {"host":"a","values":[true]}}', "line 1: "),
        (
            "PING a (192.0.2.1) 8(36) bytes of data.\n16 bytes from a: icmp_seq=1 ttl=64\n",
            "line 2: .* expected time=",
        ),
        ('{"seq":1,"status":"reply"}\n', 'expected a column "target"'),
        ("a\0b", "path "),
        ("", "path "),
    ],
)
def test_what_cannot_be_meant_is_one_clear_error(text: str, complaint: str) -> None:
    with pytest.raises(udpping.ConfigError, match=complaint):
        udpping.load(text)


def test_metadata_does_not_unsay_what_the_rows_say() -> None:
    run = udpping.sim.ping(count=4, loss="pattern:.x")
    facts = {"target": run.targets[0], "sent": None, "loss": None}
    told: dict[str, object] = {"settings": {}, "rows": 4, "summary": {"sent": None}, "summaries": [facts]}
    loaded = udpping.load(f"# udpping: {json.dumps(told)}\n{run.to_csv()}")
    assert loaded.summary.loss_text == run.summary.loss_text
    told["summary"] = {"sent": -1}
    with pytest.raises(udpping.ConfigError, match="metadata"):
        udpping.load(f"# udpping: {json.dumps(told)}\n{run.to_csv()}")
