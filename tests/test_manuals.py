"""The man pages and the completion for shells that come with the wheel."""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from common import call
from udpping.cli import COMMANDS

if TYPE_CHECKING:
    import argparse

pytestmark = pytest.mark.untimed


def installed(name: str) -> Path:
    """Find a file that the wheel put below share/."""
    (found,) = (each for each in distribution("udpping").files or [] if str(each).endswith(f"share/{name}"))
    return Path(str(found.locate())).resolve()


def options_of(command: str) -> list[str]:
    parser: argparse.ArgumentParser = import_module(f"udpping.cli.{command}").parser()
    return [name for action in vars(parser)["_actions"] for name in action.option_strings]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_a_command_has_each_option(command: str) -> None:
    page = installed(f"man/man1/udpping-{command}.1").read_text()
    plain = re.sub(r"\\f.|\\[,/&]", "", page).replace("\\-", "-")
    for option in set(options_of(command)) - {"-h", "--help"}:
        assert re.search(rf"(?m)^(.*, )?{re.escape(option)}\b", plain), option
    assert f".B udpping {command}\n" in page
    assert "udpping (1)" in page


@pytest.mark.parametrize("name", ["udpping", *(f"udpping-{command}" for command in COMMANDS)])
def test_no_text_is_taken_for_a_macro(name: str) -> None:
    page = installed(f"man/man1/{name}.1").read_text()
    macros = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert macros <= {".TH", ".SH", ".TP", ".PP", ".B", ".BR", ".nf", ".fi"}
    assert page.startswith(f'.TH {name.upper().replace("-", chr(92) + "-")} "1"')


def test_the_page_of_all_names_each_command() -> None:
    page = installed("man/man1/udpping.1").read_text()
    for command in COMMANDS:
        assert f"udpping\\-{command}(1)" in page


def completed(*words: str, within: Path) -> set[str]:
    """Let bash complete the last word."""
    script = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
        ' function=$(complete -p udpping | sed "s/.*-F \\([^ ]*\\).*/\\1/");'
        ' "$function" udpping "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}";'
        ' printf "%s\\n" "${COMPREPLY[@]}"'
    )
    file = installed("bash-completion/completions/udpping")
    done = subprocess.run(
        ["bash", "--norc", "-c", script, file, "udpping", *words],
        cwd=within, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return {line for line in done.stdout.splitlines() if line}


def test_bash_completes_commands_options_values_and_files(tmp_path: Path) -> None:
    (tmp_path / "hosts.txt").touch()
    (tmp_path / "state").mkdir()
    assert completed("", within=tmp_path) == {*COMMANDS, "help"}
    assert completed("help", "do", within=tmp_path) == {"doctor"}
    assert completed("server", "--sc", within=tmp_path) == {"--scope"}
    assert completed("server", "--scope", "", within=tmp_path) == {"client", "same", "shared"}
    assert completed("ping", "localhost", "--tar", within=tmp_path) == {"--targets"}
    assert completed("ping", "--targets", "ho", within=tmp_path) == {"hosts.txt"}
    assert completed("monitor", "--state", "", within=tmp_path) == {"state"}
    assert "slides" in completed("lab", "--profile", "", within=tmp_path)
    for command in COMMANDS:
        assert completed(command, "-", within=tmp_path) == set(options_of(command))


@pytest.mark.parametrize("name", ["zsh/site-functions/_udpping", "fish/vendor_completions.d/udpping.fish"])
def test_the_other_shells_know_each_command_and_option(name: str) -> None:
    text = installed(name).read_text()
    for command in COMMANDS:
        assert command in text
        for option in options_of(command):
            assert option.lstrip("-") in text


def test_every_value_that_completion_offers_is_taken(tmp_path: Path) -> None:
    """An offered value that its option refuses would be worse than none."""
    for command, option, *rest in (
        ("server", "--scope", "--loss", "x"),
        ("heartbeat", "--wire", "127.0.0.1:9", "-c", "x"),
    ):
        values = completed(command, option, "", within=tmp_path)
        assert values
        for value in values:
            done = call(command, option, value, *rest)
            assert done.returncode == 2
            assert option not in done.stderr
