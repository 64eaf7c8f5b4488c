"""`path`: known kinds of paths, and profiles in TOML files."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import udpping
from common import call
from udpping._args.path import PRESETS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    Start = Callable[..., subprocess.Popen[str]]

pytestmark = [pytest.mark.python, pytest.mark.untimed]

PAGE = (Path(__file__).parents[1] / "docs" / "link-presets.md").read_text()


def test_presets_are_those_of_the_page() -> None:
    section = PAGE.split("## Known kinds of paths", 1)[1].split("\n## ", 1)[0]
    rows = [re.findall(r"`([^`]*)`", line) for line in section.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == list(PRESETS)
    for name, up, down in rows:
        assert udpping.path(name) == {"up": udpping.Link(up), "down": udpping.Link(down)}
    for told in (udpping.path.__doc__, call("server", "--help").stdout):
        assert told is not None
        assert not set(PRESETS) - set(re.findall(r"[\w-]+", told))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_measured_as_it_says(name: str) -> None:
    path = udpping.path(name)
    run = udpping.sim.ping(count=2_000, interval=1, timeout=2, **path, seed=1)
    losses, waits = [], 0.0
    for link in path.values():
        keys = link.as_dict()  # type: ignore[attr-defined]
        losses.append(float(keys.get("loss", 0)))
        waits += float(keys["delay"].removesuffix("ms"))
    assert run.summary.loss is not None
    assert abs(run.summary.loss - (1 - (1 - losses[0]) * (1 - losses[1]))) < 0.01
    assert run.summary.rtt_min_ns is not None
    # Beside the delay there are the bits of the packet.
    assert waits * 1e6 <= run.summary.rtt_min_ns < waits * 1e6 + 25_000_000


TOML = """
# Our office.
[up]
loss = "burst:5%,3"
mtu = 1400
[down]
delay = 0.04
duplicate = ["1%", 2]
rate = "1Mbit/s"
"""


def test_a_profile_has_the_keys_of_a_link(tmp_path: Path) -> None:
    file = tmp_path / "office.toml"
    file.write_text(TOML)
    expected = {
        "up": "loss=burst:0.05,3; mtu=1400",
        "down": "delay=40ms; duplicate=0.01,2; rate=1Mbit/s",
    }
    for name in (file, str(file)):
        assert {way: str(link) for way, link in udpping.path(name).items()} == expected
    with udpping.Server(port=0, **udpping.path(file)) as server:
        assert (server.up, server.down) == (expected["up"], expected["down"])
    file.write_text('up = "loss=5%"\n')
    assert udpping.path(file) == {"up": udpping.Link("loss=5%"), "down": udpping.Link()}
    for link in udpping.path("wifi-bad").values():
        pairs = "".join(f'{key} = "{value}"\n' for key, value in link.as_dict().items())  # type: ignore[attr-defined]
        file.write_text(f"[up]\n{pairs}")
        assert udpping.path(file)["up"] == link


@pytest.mark.parametrize(
    ("toml", "line", "told"),
    [
        ("[up]\nloss =\n", None, "line 2"),
        (
            "[up]\nmtu = 600\n[down]\nmtu = 600\nlos = 0.1\n",
            5,
            "los is no key of a link: expected loss, delay",
        ),
        ("[up]\nmtu = 600\n[down]\n# ours\nmtu = 20\n", 5, "mtu"),
        ('[up]\nqueue = "64KiB"\n', 1, "a queue needs a rate"),
        ("[up]\nloss = 2\n", 2, "loss"),
        ("[up]\nloss = 2024-01-01\n", 2, "loss"),
        ("[up]\ndelay = {a = 1}\n", 2, "delay"),
        ("[up]\nschedule = 5\n", 2, "schedule"),
        ("[up]\ncorrupt = true\n", 2, "corrupt"),
        ("\nup = 5\n", 2, "up 5"),
        ("[up]\n[sideways]\nloss = 1\n", 2, "sideways is neither"),
        ('"" = 1\n', 1, "is neither"),
    ],
)
def test_what_is_wrong_in_a_profile_has_its_line(
    tmp_path: Path, toml: str, line: int | None, told: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(toml)
    with pytest.raises(udpping.errors.ConfigError, match=re.escape(told)) as refused:
        udpping.path(file)
    where = f"{file} is not usable" if line is None else f"{file} line {line}:"
    assert str(refused.value).startswith(where)


def test_other_names_and_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(udpping.errors.ConfigError, match=r"path '5g' .* gprs, edge, .* \.toml"):
        udpping.path("5g")
    with pytest.raises(udpping.errors.ConfigError, match="path 5"):
        udpping.path(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(FileNotFoundError):
        udpping.path(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(udpping.errors.ConfigError, match="expected TOML"):
        udpping.path(binary)


def test_a_command_takes_a_name_or_a_file_but_not_both_ways_beside_it(tmp_path: Path) -> None:
    refused = call("server", "--link", "3g", "--up", "loss=5%")
    assert refused.returncode == 2
    assert "--link cannot be used with --up or --down" in refused.stderr
    refused = call("server", "--link", "5g")
    assert refused.returncode == 2
    assert "satellite-geo" in refused.stderr
    refused = call("server", "--link", str(tmp_path / "none.toml"))
    assert refused.returncode != 0
    assert "none.toml" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--up", "los=5%"],
            'several with ; between them: "loss=5%; delay=40ms"',
        ),
        (["--up", "loss=5%,delay=3ms"], "a ; is missing before delay="),
        (["--down", "delay=3ms", "--down", "delay=4ms"], "--down: link"),
        (["--down", "delay=3ms", "--down", "delay=4ms"], "delay is there twice"),
    ],
)
def test_an_error_names_the_direction_and_quotes_what_was_typed(words: list[str], told: str) -> None:
    refused = call("server", *words)
    assert refused.returncode == 2
    assert told in refused.stderr


def test_several_options_of_a_direction_are_one_link_and_a_warning_is_one_line(start: Start) -> None:
    words = ("--up", "duplicate=1%", "--up", "delay=3ms", "--host", "0.0.0.0", "-p", "0")  # noqa: S104
    process = start("-m", "udpping", "server", *words)
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    while "Ctrl-C" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], "it ended"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "up: delay=3ms; duplicate=0.01\n" in "".join(lines)
    (warning,) = errors.splitlines()
    assert warning.startswith("udpping server: warning: this server may answer with more than it was sent")
