"""The tests run against what users install: the wheel, never the checkout."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import unasked_port
from udpping._console import hosts
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT = Path(__file__).parents[1] / "python"


def pytest_configure() -> None:
    if Path(udpping.__file__).is_relative_to(CHECKOUT):
        message = f"udpping comes from {CHECKOUT}, not from an installed wheel: run `make test ONLY=pytest`"
        raise pytest.UsageError(message)
    # A background job ignores SIGINT, under nohup SIGHUP too; child processes inherit that, but no handler.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGHUP", "SIGQUIT", "SIGTERM"):
        ignored = getattr(signal, name, None)  # Windows lacks the first two
        if ignored and signal.getsignal(ignored) is signal.SIG_IGN:
            signal.signal(ignored, signal.SIG_DFL)


@functools.cache
def group(file: Path) -> str | None:
    found = re.search(r'xdist_group\("(\w+)"\)', file.read_text(encoding="utf-8"))
    return found and found[1]


class Grouped(LoadGroupScheduling):  # type: ignore[misc] # it has no types
    """Runs the tests of a group in one process: pytest 9.2 does not let xdist 3.8 do so."""

    def _split_scope(self, nodeid: str) -> str:
        return group(self.config.rootpath / nodeid.partition("::")[0]) or nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped | None:  # noqa: ANN401 - of xdist
    return Grouped(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle the tests, in another order for each round of `make soak`."""
    if seed := os.environ.get("SOAK_SEED"):
        random.Random(seed).shuffle(items)


@pytest.fixture
def free_port() -> Iterator[int]:
    """Find a free UDP port, of those that the kernel gives to nobody who does not ask for them.

    Of all tests that run now, this one alone gets it: who has it holds the TCP port of that number.
    """
    while True:
        port = unasked_port()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as held, contextlib.suppress(OSError):
            held.bind(("127.0.0.1", port))
            if not hosts.listeners(port):
                yield port
                return


@pytest.fixture
def place() -> Iterator[str]:
    """Where a server answers."""
    with udpping.Server(port=0) as server:
        yield f"127.0.0.1:{server.address[1]}"


@pytest.fixture
def deaf() -> Iterator[str]:
    """Where a server is, and never answers."""
    with udpping.Server(port=0, loss=1) as server:
        yield f"127.0.0.1:{server.address[1]}"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python with arguments; kill what still runs after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
