"""`import udpping` costs nothing; each thing is loaded when it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest
import udpping

pytestmark = [pytest.mark.python, pytest.mark.untimed]


def loaded_by(code: str) -> set[str]:
    """List the modules that a fresh Python has after `code`, beyond those that it has anyway."""
    program = f"import sys; before = set(sys.modules)\n{code}\nprint(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_loads_nothing_else() -> None:
    assert loaded_by("import udpping") == {"udpping"}


def test_a_ping_loads_no_more_than_it_needs() -> None:
    heavy = {"argparse", "asyncio", "csv", "dataclasses", "json", "logging", "numpy", "pandas", "socket"}
    assert not heavy & loaded_by("import udpping; udpping.ping; udpping.Server; udpping.loss")


def test_a_command_loads_no_other_command() -> None:
    ping = "from udpping.__main__ import main\nmain(['ping', 'localhost:1', '-c', '1', '-W', '0.1'])"
    loaded = loaded_by(ping)
    assert "udpping.cli.ping" in loaded
    assert not {"udpping.cli.server", "udpping.cli.demo", "udpping.lab", "json", "socket"} & loaded


@pytest.mark.parametrize("name", udpping.__all__)
def test_everything_announced_is_there(name: str) -> None:
    assert hasattr(udpping, name)
    assert name in dir(udpping)


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pong'"):
        getattr(udpping, "pong")  # noqa: B009 - type checkers know that it is not there
