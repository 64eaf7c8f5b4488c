"""The gate itself, tools/check.py: it is run as `make test` runs it, with checks and reports of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.untimed

ROOT = Path(__file__).parents[1]
PREFACE = f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); "
INTERRUPTED = "import signal; signal.raise_signal(signal.SIGINT)"
REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_it[1]"/>
<testcase classname="tests.test_a" name="test_skipped"><skipped message="fping is not installed"/></testcase>
<testcase classname="" name="tests.test_b"><skipped message="collection skipped">no scipy</skipped></testcase>
</testsuite></testsuites>"""


def ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(program: str, *, ci: str = "", ignoring: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a program that may import what is in tools/."""
    done = subprocess.run(
        [sys.executable, "-c", PREFACE + program], env=os.environ | {"CI": ci}, check=False,
        preexec_fn=ignore_interrupts if ignoring else None, capture_output=True, text=True,
    )  # fmt: skip
    assert not done.stderr
    return done


def gate(check: str) -> str:
    """Give a program that runs the gate with one check."""
    return f"""
import check, programs
programs.PROGRAMS["unknown"] = programs.Program(("no such program",), "nobody", ("one",) * 5)
check.stages = lambda *, full: [[[check.{check}]]]
sys.exit(check.main([]))
"""


def test_a_check_can_be_interrupted_although_the_gate_was_started_in_the_background() -> None:
    command = f"{sys.executable} -c {INTERRUPTED!r}"
    done = run(gate(f"Check('interrupt', [{command!r}])"), ignoring=True)
    assert done.returncode == 1
    assert "KeyboardInterrupt" in done.stdout


def test_a_check_without_its_program_is_named_and_fails_in_ci() -> None:
    program = gate("Check('it', ['false'], ['unknown'])")
    done = run(program)
    assert done.returncode == 0
    assert "not run            it\n" in done.stdout
    assert "NB: not run: unknown is not installed, which nobody needs: " in done.stdout
    assert run(program, ci="true").returncode == 1


def test_a_test_that_has_not_run_is_lost_or_named(tmp_path: Path) -> None:
    (tmp_path / "3.13-untimed.xml").write_text(REPORT)

    def compare(*names: str, ci: str = "") -> tuple[int, list[str]]:
        done = run(f"from ran import *; sys.exit(compare({names!r}, Path({str(tmp_path)!r})))", ci=ci)
        return done.returncode, done.stdout.splitlines()

    ran, skipped, of_a_file = "tests.test_a::test_it[1]", "tests.test_a::test_skipped", "tests.test_b::test_x"
    assert compare(ran) == (0, ["NB: of 1 tests 1 have run: 1 on 3.13"])
    code, lines = compare(ran, skipped, of_a_file)
    assert (code, lines[:2]) == (
        0,
        [f"NB: not run: {skipped}: fping is not installed", f"NB: not run: {of_a_file}: no scipy"],
    )
    assert compare(ran, skipped, ci="true")[0] == 1
    code, lines = compare(ran, "tests.test_a::test_new")
    assert (code, lines[0]) == (1, "lost: tests.test_a::test_new")
    of_a_folder = "tests.programs.test_c::test_y"
    assert compare(of_a_folder, ci="true")[0] == 1
    code, lines = compare(of_a_folder)
    assert (code, lines[0]) == (0, f"NB: not run: {of_a_folder}: its check did not run")
    (tmp_path / "programs.xml").write_text(REPORT)
    assert compare(of_a_folder)[0] == 1


def test_a_test_can_be_interrupted_although_pytest_was_started_in_the_background() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-n",
        "1",
        "tests/test_found.py",
        "-k",
        "ctrl_c",
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=ignore_interrupts
    )
    assert done.returncode == 0, done.stdout


def test_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    mark = "xdist_group(" + '"one")'  # in two parts, as it is not the mark of this file
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    for name in ("test_a", "test_b"):
        (tmp_path / f"{name}.py").write_text(
            f"import os, pathlib, pytest\npytestmark = pytest.mark.{mark}\n"
            "@pytest.mark.parametrize('number', range(8))\n"
            "def test_it(number):\n"
            "    pathlib.Path(os.environ['PYTEST_XDIST_WORKER']).touch()\n"
        )
    words = ["-n", "2", "--dist=loadgroup", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."]
    words += ["-o", f"pythonpath={ROOT / 'tests'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "16 passed" in done.stdout, done.stdout
    assert len(list(tmp_path.glob("gw*"))) == 1


def test_a_test_that_fails_beside_others_must_pass_alone_three_times(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]")

    def gives(*failing: str, body: str = "raise ValueError", options: str = "") -> tuple[int, str]:
        """Run tests of which each fails in the runs that are named, such as "1 3"; "0" is never."""
        counter = f"""
import os, pathlib, pytest
@pytest.mark.parametrize("at", {failing!r})
def test_it(at, request):
    file = pathlib.Path({str(tmp_path)!r}, f"runs-{{request.node.callspec.indices['at']}}")
    turn = len(file.read_text()) + 1 if file.exists() else 1
    file.write_text("x" * turn)
    if str(turn) in at.split():
        {body}
"""
        for old in tmp_path.glob("runs-*"):
            old.unlink()
        (tmp_path / "test_some.py").write_text(counter)
        command = [sys.executable, str(ROOT / "tools/alone.py"), *options.split(), str(tmp_path)]
        plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist.plugin"}
        done = subprocess.run(
            command, cwd=tmp_path, env=os.environ | plugins,
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        return done.returncode, done.stdout

    def runs() -> list[int]:
        return [len(file.read_text()) for file in sorted(tmp_path.glob("runs-*"))]

    assert gives("0", "0")[0] == 0
    assert runs() == [1, 1]
    status, said = gives("0", "1")
    assert (status, runs()) == (0, [1, 4])
    assert "NB: failed beside others, passed 3 times alone: test_some.py::test_it[1]" in said
    for at, times in (("1 2", 2), ("1 4", 4)):
        assert gives("0", at)[0] == 1
        assert runs() == [1, times]
    assert gives(*["1"] * 5)[0] == 1
    assert runs() == [1] * 5
    status, said = gives("1", "0", body="os.abort()", options="-n 1")
    assert (status, runs()) == (1, [1, 1]), said
