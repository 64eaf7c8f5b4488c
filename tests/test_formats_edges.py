"""Whatever can be written is read again, and is equal: tables without rows or values, and at their limits."""

from __future__ import annotations

import json
import pickle
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from udpping import _core, stats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.python, pytest.mark.untimed]

STATUSES = ["reply", "late", "timeout", "unreachable", "error"]
LEAST = {"int64": -(2**63) + 1}
MOST = {"int64": 2**63 - 1, "uint64": 2**64 - 1, "uint32": 2**32 - 1, "uint8": 255}
WORD = {"status": "reply", "match": "seq"}
COLUMNS = {name: kind for name, kind, *_ in _core.run_columns()}
NEEDED = {"target", "seq", "status", "copies"}
TEXTS = [
    "",
    " ",
    "a,b",
    'say "no"',
    "it's",
    "=1+1",
    "'=1",
    "\r\n",
    "\xe9\u05d0\U0001f600",
    "\\xff",
    "b'a'",
    "null",
]


def value(name: str, kind: str, *, most: bool) -> int | str:
    """Return the largest value of a column, or the least one."""
    if kind == "word":
        return WORD.get(name, "192.0.2.1:7")
    if kind == "bytes":
        return "\\xff" if most else ""
    return MOST[kind] if most else 0 if name == "rtt_ns" else LEAST.get(kind, 0)


def run_of(*rows: dict[str, Any]) -> udpping.Run:
    return udpping.load("".join(json.dumps(row) + "\n" for row in rows) or "\n", format="json")


def edges() -> Iterator[tuple[str, udpping.Run]]:
    """Yield tables at the limits of what a run may be."""
    yield "no rows", udpping.Pinger("127.0.0.1", 9).so_far()
    yield "no rows of a file", run_of()
    for most in (False, True):
        whole = {name: value(name, kind, most=most) for name, kind in COLUMNS.items()}
        yield "one row", run_of(whole)
        other = {**whole, "seq": 7}
        for name in COLUMNS.keys() - NEEDED:
            status = "late" if name == "rtt_ns" else "reply"
            yield (
                f"without {name}",
                run_of(*({**row, "status": status, name: None} for row in (whole, other))),
            )
    for status in STATUSES:
        bare = {"target": "a", "seq": 0, "status": status, "copies": 0}
        yield f"{status} and no more", run_of(bare | ({"rtt_ns": 0} if status == "reply" else {}))
    base = {"seq": 0, "status": "late", "copies": 0}
    yield "texts", run_of(*({**base, "target": text, "reply": text, "source": text} for text in TEXTS))
    yield "simulated", udpping.sim.ping(count=3, loss=1)


EDGES = list(edges())


@pytest.mark.parametrize("metadata", [False, True])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_text_is_read_again(form: str, tmp_path: Path, *, metadata: bool) -> None:
    for (name, run), ending in product(EDGES, ["", ".gz"]):
        text, path = getattr(run, f"to_{form}")(metadata=metadata), tmp_path / f"run.{form}{ending}"
        getattr(run, f"to_{form}")(path, metadata=metadata)
        for given in (text, text.encode(), path):
            again = udpping.load(given, format=form)
            assert again == run, name
            assert not metadata or (again.settings, again.summary) == (run.settings, run.summary), name
            if text:
                assert udpping.load(given) == run, name


@pytest.mark.parametrize("library", ["pyarrow", "polars"])
def test_every_parquet_is_read_again(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(library, reason="has no wheel for this Python")
    if library == "polars":
        monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    for name, run in EDGES:
        run.to_parquet(tmp_path / "run.parquet")
        again = udpping.load(tmp_path / "run.parquet")
        assert (again, again.settings, again.summary) == (run, run.settings, run.summary), name


def test_every_pickle_is_read_again_and_every_run_has_statistics() -> None:
    for name, run in EDGES:
        assert pickle.loads(pickle.dumps(run)) == run, name  # noqa: S301 - our own
        assert stats.loss(run).sent == run.summary.sent, name


HEAD = "target,seq,status,copies"
WITHOUT = [
    HEAD + "\na,1,timeout,0\na,2,reply,1\n",
    HEAD + ",rtt_ns\na,1,timeout,0,\na,2,reply,1,\n",
    '{"target":"a","seq":1,"status":"timeout","copies":0}\n{"target":"a","seq":2,"status":"reply","copies":1}\n',
]


@pytest.mark.parametrize("text", WITHOUT)
def test_a_reply_without_its_round_trip_is_refused_with_the_column_and_without(text: str) -> None:
    with pytest.raises(udpping.ConfigError, match=r"null of column rtt_ns in line \d is not usable"):
        udpping.load(text)
    lost = udpping.load(text.replace("reply", "timeout"))
    assert stats.loss(lost).lost == 2


def test_of_an_empty_file_it_is_said_how_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    udpping.Pinger("127.0.0.1", 9).so_far().to_json(path)
    with pytest.raises(udpping.ConfigError, match='is empty; format="json" takes that for a run without'):
        udpping.load(path)
    for form in ("csv", "ping", "parquet"):
        with pytest.raises(udpping.ConfigError):
            udpping.load(path, format=form)
