"""Whatever the documentation shows, works: the examples of the pages and of the docstrings.

* A `python` block runs by itself, in a fresh process and an empty folder, with warnings as errors.
* In a `console` block the lines after `$ ` are the commands (`> ` goes on with one); a `sh` block is all
  commands. They run as one script, which must exit with 0; what it leaves in the background is ended with it.
  `make` only shows what it would do, in the checkout: tests that run all tests would never end.
  `sleep`, which lets a server in the background begin, waits until its port is in use.
  Scripts with the same port take turns.
* A comment in front of a block changes that: `<!-- exits 1 -->`, or `<!-- not run: the reason -->`.
"""

from __future__ import annotations

import ast
import doctest
import fcntl
import importlib
import os
import pkgutil
import re
import signal
import subprocess
import sys
import textwrap
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

import pytest
import udpping
from common import wait_until
from udpping._console import hosts

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))]
SECONDS = 150
BEHIND = " &\n"
"""At the end of a command that runs in the background."""

# Examples may use the default port: those of one machine take turns.
pytestmark = [pytest.mark.python, pytest.mark.xdist_group("examples")]


@dataclass(frozen=True)
class Block:
    """One fenced block of a page, and what its comment says about it."""

    where: str
    language: str
    code: str
    exit_code: int
    not_run: str | None


FENCE = re.compile(
    r"(?:<!-- (?:exits (?P<exits>\d+)|not run: (?P<reason>[^>]+?)) -->\s*?\n\s*?)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
SHOWN = {"", "csv", "json", "rust", "text", "toml"}


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            where=f"{page}:{text.count(chr(10), 0, match.start('code'))}",
            language=match["language"],
            code=textwrap.dedent(match["code"]),
            exit_code=int(match["exits"] or 0),
            not_run=match["reason"],
        )
        for match in FENCE.finditer(text)
    ]


BLOCKS = [block for page in PAGES for block in blocks(page) if not block.not_run]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_block(block: Block, tmp_path: Path) -> None:
    match block.language:
        case "python":
            need_libraries(block.code)
            (tmp_path / "example.py").write_text(block.code, encoding="utf-8")
            code, output = run([sys.executable, "-W", "error", "example.py"], tmp_path)
        case "console" | "sh":
            with alone(block.code):
                code, output = run(["bash", "-euo", "pipefail", "-c", script(block)], tmp_path)
        case other:
            assert other in SHOWN, f"{block.where}: is `{other}` to be run, or only to be read?"
            return
    assert code == block.exit_code, f"{block.where} exited with {code}:\n{block.code}\n{output}"


@contextmanager
def alone(code: str) -> Generator[None]:
    """Let no other block with one of these ports run at the same time, in no process of this machine."""
    with ExitStack() as held:
        for port in ports(code):
            lock = held.enter_context((Path(gettempdir()) / f"udpping-docs-port-{port}").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        if BEHIND in code:
            # What was killed may still have it.
            wait_until(lambda: not any(hosts.listeners(int(port)) for port in ports(code)))


def ports(code: str) -> list[str]:
    return sorted(set(re.findall(r"(?:port |:|localhost )(\d{4,5})\b", code)))


def need_libraries(code: str) -> None:
    """Skip an example whose library has no wheel for this Python."""
    imported = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Import)]
    for name in [alias.name for node in imported for alias in node.names]:
        pytest.importorskip(name)


def script(block: Block) -> str:
    code = block.code
    if block.language == "console":
        commands = re.findall(r"^\$ (.*\n(?:> .*\n)*)", code, re.MULTILINE)
        assert commands, f"{block.where}: no line starts with `$ `"
        code = "".join(command.replace("\n> ", "\n") for command in commands)
    head = f'make() {{ command make -C "{ROOT}" --dry-run "$@"; }}\n'
    if BEHIND in code and sys.platform == "linux":
        taken = " && ".join(
            f"grep -q ':{int(port):04X} ' /proc/net/udp /proc/net/udp6" for port in ports(code)
        )
        head += f'sleep() {{ command sleep "$@"; until {taken}; do command sleep 0.05; done; }}\n'
    return f"{head}{code}"


def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a command with the installed wheel first on PATH; nothing of it stays behind."""
    own_bin = Path(sys.executable).parent
    environment = os.environ | {
        "HOME": str(folder),
        "MPLBACKEND": "Agg",
        "PATH": f"{own_bin}{os.pathsep}{os.environ['PATH']}",
    }
    output = folder / "output.txt"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            code = -signal.SIGALRM
        finally:
            end(process.pid)
            process.wait()
    return code, output.read_text(encoding="utf-8", errors="replace")


def end(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def public_modules() -> list[str]:
    found = {module.name for module in pkgutil.walk_packages(udpping.__path__, "udpping.")}
    found -= {"udpping._core", "udpping.__main__"}
    return ["udpping", *sorted(name for name in found if not is_for_another_system(name))]


def is_for_another_system(name: str) -> bool:
    """Whether a module refuses to be imported here: its error is its own name."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        return str(error) == name
    return False


@pytest.mark.parametrize("name", public_modules())
def test_docstrings(name: str) -> None:
    result = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert not result.failed
