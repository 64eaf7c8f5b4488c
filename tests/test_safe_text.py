"""What goes out as text is safe to open: lines stay lines, nothing is computed, and everything comes back."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata

import pytest
import udpping
from common import call
from udpping.testing import FarEnd

LETTERS = map(chr, range(sys.maxunicode + 1))
HIDDEN = "".join(each for each in LETTERS if unicodedata.category(each) in {"Cc", "Cf", "Zl", "Zp"})
FORMULAS = ["=1+1", "+A1", "-1", "@sum(1)", "\t=1", "\r=1", "'=1", "''+1", '="a,b"', "=1\n=2"]
PLAIN = ["", "a=1", "'a", "''", "1e5", "PING 1 1.5", " =1"]


def replied(*replies: str) -> udpping.Run:
    """Make a run whose replies and target say this."""
    rows = [json.loads(line) for line in udpping.sim.ping(count=len(replies)).to_json().splitlines()]
    for row, reply in zip(rows, replies, strict=True):
        row |= {"reply": reply, "target": replies[0] or "none"}
    return udpping.load("\n".join(map(json.dumps, rows)) + "\n")


@pytest.mark.untimed
def test_no_line_of_json_has_a_character_that_cannot_be_seen() -> None:
    run = replied(*HIDDEN, f"a{HIDDEN}b")
    written = run.to_json()
    assert len(written.splitlines()) == len(run)
    assert not set(HIDDEN) - {"\n"} & set(written)
    assert udpping.load(written) == run
    assert [json.loads(line)["reply"] for line in written.splitlines()][-1] == f"a{HIDDEN}b"


@pytest.mark.untimed
def test_metadata_is_one_line_without_such_characters() -> None:
    run = udpping.sim.ping(count=2, reply="{message}\u2028\u202e\x7f\x85")
    for written, lines in ((run.to_csv(metadata=True), 4), (run.to_json(metadata=True), 3)):
        first = written.splitlines()[0]
        assert first.isprintable()
        assert udpping.load(written) == run
        assert udpping.load(written).settings == run.settings
        assert len(written.split("\n")) == lines + 1


def test_what_a_command_prints_for_programs_has_none_either() -> None:
    with FarEnd(lambda ping: ping.payload + "\u2028\u202e\x85\x7f".encode()) as far:
        target = f"{far.address[0]}:{far.address[1]}"
        done = call("ping", target, "-c", 2, "-i", "10ms", "-W", "5s", "--json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["start", "ping", "ping", "summary"]
    assert all(line.isprintable() for line in lines)


@pytest.mark.untimed
@pytest.mark.parametrize("text", FORMULAS + PLAIN)
def test_a_spreadsheet_computes_nothing_and_the_text_comes_back(text: str) -> None:
    run = replied(text)
    written = run.to_csv()
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    expected = f"'{text}" if text in FORMULAS else text
    assert (row["reply"], row["target"]) == (expected, expected or "none")
    assert udpping.load(written) == run
    assert udpping.load(run.to_json()) == run
    assert json.loads(run.to_json())["reply"] == text


@pytest.mark.untimed
def test_numbers_are_left_as_they_are() -> None:
    run = udpping.sim.ping(count=2)
    rows = [json.loads(line) | {"sent_wall_ns": -5} for line in run.to_json().splitlines()]
    written = udpping.load("\n".join(map(json.dumps, rows)) + "\n").to_csv()
    assert [row["sent_wall_ns"] for row in csv.DictReader(io.StringIO(written))] == ["-5", "-5"]
