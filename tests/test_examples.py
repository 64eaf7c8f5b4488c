"""The scripts in examples/ run, and still say what they are there to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(folder: Path, *words: str | Path) -> str:
    """Run Python in an empty folder, with warnings as errors; give back what it printed."""
    command = [sys.executable, "-W", "error", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_tested() -> None:
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {f"test_{name}" for name in names} <= globals().keys()


@pytest.mark.untimed
@pytest.mark.parametrize("name", ["picture", "detectors"])
def test_who_asks_for_help_gets_it_and_no_file(tmp_path: Path, name: str) -> None:
    assert f"python examples/{name}.py" in run(tmp_path, EXAMPLES / f"{name}.py", "--help")
    assert not list(tmp_path.iterdir())


@pytest.mark.untimed
def test_thirty_percent(tmp_path: Path) -> None:
    printed = run(tmp_path, EXAMPLES / "thirty_percent.py")
    assert "random.seed(42): . x x . x x x x . ." in printed
    lines = [line.split() for line in printed.splitlines() if " pings " in line and line.endswith("%")]
    rows = {line[0]: line for line in lines}
    # The tests have the power that the theory gives them: four of five runs of 420 pings tell 4/11 from 30 %.
    assert 75 < float(rows["420"][2]) < 87
    assert all(float(row[4]) < 8 for row in rows.values())


def test_lossy_server_in_a_test(tmp_path: Path) -> None:
    # The settings of this repository are not those of the reader's project.
    settings = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path)
    assert "3 passed" in run(tmp_path, "-m", "pytest", *settings, EXAMPLES / "lossy_server_in_a_test.py")


def test_reliable_over_udp(tmp_path: Path) -> None:
    settings = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tmp_path)
    example = EXAMPLES / "reliable_over_udp.py"
    assert "22 passed" in run(tmp_path, "-m", "pytest", *settings, example)
    planted = tmp_path / "planted.py"
    source = example.read_text(encoding="utf-8")
    planted.write_text(source.replace("NUMBERS = 1 << 32", "NUMBERS = 2"), encoding="utf-8")
    words: list[str | Path] = [sys.executable, "-m", "pytest", *settings, planted, "-k", "once_and_in_order"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "    pytest planted.py::test_every_message_arrives_once_and_in_order[seed" in done.stdout.replace(
        "'", ""
    )


def test_watch_a_fleet(tmp_path: Path) -> None:
    told, table = run(tmp_path, EXAMPLES / "watch_a_fleet.py").split("\n\n")[:2]
    for sentence in (
        "job ended with exit status 3",
        "killed is down: silent for ",
        "killed restarted, ",
        "asleep is down: silent for ",
        "asleep was stopped or asleep: ",
        "asleep is up again after ",
    ):
        assert sentence in told
    assert "well is down" not in told
    lines = {line.split()[0]: line.split() for line in table.splitlines()}
    assert lines["job"][1] == "bye"
    assert int(lines["lossy"][3]) >= 1
    assert [lines[name][3] for name in ("asleep", "job", "killed", "well")] == ["0"] * 4
    assert "restarted once" in table


@pytest.mark.untimed
def test_picture(tmp_path: Path) -> None:
    drawn = tmp_path / "picture.svg"
    run(tmp_path, EXAMPLES / "picture.py", drawn)
    committed = (ROOT / "docs/picture.svg").read_text()
    assert drawn.read_text() == committed, "python examples/picture.py draws it anew"


@pytest.mark.untimed
@pytest.mark.parametrize("pattern", ["20 %", "outages of 4 to 7"])
def test_detectors(tmp_path: Path, pattern: str) -> None:
    printed = run(tmp_path, EXAMPLES / "detectors.py", "--only", pattern).splitlines()
    page = (ROOT / "docs/detectors.md").read_text(encoding="utf-8")
    assert len(printed) == 2
    assert "**no**" not in page
    assert all(float(line.split(" | ")[6]) <= 1.3 for line in printed), "x oracle"
    assert all(line in page for line in printed), (
        "python examples/detectors.py docs/detectors.md writes it anew"
    )
