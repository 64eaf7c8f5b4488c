"""The gate itself, tools/check.py: it is run as `make test` runs it, with checks of our own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.untimed

ROOT = Path(__file__).parents[1]
INTERRUPTED = "import signal; signal.raise_signal(signal.SIGINT)"


def ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_a_check_can_be_interrupted_although_the_gate_was_started_in_the_background() -> None:
    script = f"""
import sys
sys.path.insert(0, {str(ROOT / "tools")!r})
import check

check.RUST, check.READING = [], []
check.TESTS = [check.Check("interrupt", [f"{sys.executable} -c {INTERRUPTED!r}"])]
sys.exit(check.main([]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=ignore_interrupts,
    )
    assert done.returncode == 1, done.stderr
    assert "KeyboardInterrupt" in done.stdout


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
