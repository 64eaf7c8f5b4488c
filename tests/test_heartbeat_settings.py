"""How a sender of heartbeats is set up: its key, its name, the count of its starts, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from beats import lines
from udpping.testing import FarEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "correct-horse-battery-staple"  # noqa: S105 - of nobody


@pytest.fixture
def far() -> Iterator[FarEnd]:
    """Listen, and say nothing."""
    with FarEnd([]) as far:
        yield far


@pytest.fixture(autouse=True)
def no_key_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UDPPING_KEY", raising=False)


def test_signatures_are_what_python_makes_of_them(
    far: FarEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"# ours\n\nother 0123456789abcdef\nops {SECRET}\n")
    monkeypatch.setenv("UDPPING_KEY", SECRET)
    for key, name in [(keys, "ops"), (None, None)]:
        with udpping.Heartbeat(*far.address, count=1, key=key, key_name=name) as heartbeat:
            assert heartbeat.wait(20)
        assert "horse" not in repr(heartbeat)
    far.wait(8)
    assert {line["key"] for line in lines(far)} == {"ops", "default"}
    for request in far.received:
        covered, _, mac = request.payload.rpartition(b" mac=")
        assert hmac.new(SECRET.encode(), covered, hashlib.sha256).hexdigest()[:32] == mac.decode()


@pytest.mark.parametrize(
    ("content", "settings", "told"),
    [
        ("ops short", {}, "16 to 1024 bytes"),
        ("", {}, "key without a line"),
        (
            f"a {SECRET}\nb {SECRET}",
            {},
            "key_name that is missing is not usable: expected the name of one of the keys",
        ),
        (f"a {SECRET}", {"key_name": "b"}, 'key_name "b" is not usable'),
        (f"a {SECRET}", {"wire": "lab3"}, "wire lab3 is not usable: expected full with a key"),
        (b"a \xff\xfe", {}, "expected a file of text"),
    ],
)
def test_keys_that_cannot_be_used(
    tmp_path: Path, content: str | bytes, settings: dict[str, Any], told: str
) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(udpping.ConfigError, match=re.escape(told)) as refused:
        udpping.Heartbeat(key=keys, **settings)
    assert "horse" not in str(refused.value)


def monitor_with(keys: str) -> udpping.Monitor:
    return udpping.Monitor("127.0.0.1", 0, keys=keys)


def heartbeat_with(key: str) -> udpping.Heartbeat:
    return udpping.Heartbeat(key=key)


@pytest.mark.parametrize("service", [monitor_with, heartbeat_with])
def test_a_secret_in_place_of_a_path_is_not_shown(service: Callable[[str], object], tmp_path: Path) -> None:
    for secret in (SECRET, "q" * 5_000, f"{SECRET}/x", f"ops {SECRET}"):
        with pytest.raises(OSError, match="cannot read the keys in the file of that name") as refused:
            service(secret)
        assert refused.value.errno in {errno.ENOENT, errno.ENAMETOOLONG}
        shown = "".join(traceback.format_exception(refused.value)) + repr(vars(refused.value))
        assert secret not in shown.replace("service(secret)", "")
    with pytest.raises(udpping.ConfigError, match="without NUL") as unusable:
        service(f"{SECRET}\0")
    assert SECRET not in str(unusable.value)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=f"cannot read the keys in {tmp_path}/loop: Too many"):
        service(str(tmp_path / "loop"))


@pytest.mark.parametrize("name", ["0123456789abcdef" * 2, "0123456789ABCDEF" * 4])
def test_a_secret_in_place_of_a_name_is_not_shown(tmp_path: Path, name: str) -> None:
    keys = tmp_path / "keys"
    for text in (f"{name} ops", f"{name} {SECRET}", f"{SECRET} ops"):
        keys.write_text(f"# ours\n{text}\n", encoding="utf-8")
        with pytest.raises(
            udpping.ConfigError, match=r"^key on line 2 with [^\n]* is not usable: expected"
        ) as told:
            udpping.Heartbeat(key=keys)
        assert name not in str(told.value)
        assert SECRET not in str(told.value)
    keys.write_text(f"ops {SECRET}\n", encoding="utf-8")
    for key in (keys, None):
        with pytest.raises(udpping.ConfigError, match=r"^key_name of that many hexadecimal digits") as told:
            udpping.Heartbeat(key=key, key_name=name)
        assert name not in str(told.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"host": ""}, "host '' "),
        ({"port": 0}, "port 0 "),
        ({"port": 70_000}, "port 70000 "),
        ({"interval": 0}, "interval 0 is not usable: expected 1ms to 1d: seconds"),
        ({"interval": float("nan")}, "interval nan "),
        ({"interval": "soon"}, "interval 'soon' is not usable: expected 1ms to 1d: seconds"),
        ({"jitter": 0.3}, "jitter 0.3 is not usable: expected 0 to 0.25"),
        ({"jitter": "x"}, "jitter 'x' is not usable: expected a number"),
        ({"id": "a b"}, 'id "a b" is not usable: expected 1 to 64 letters'),
        ({"id": ""}, 'id "" '),
        ({"wire": "lab9"}, 'wire "lab9" '),
        ({"wire": "lab2", "boot": 1}, "wire lab2 "),
        ({"touch": 0}, "touch 0 "),
        ({"count": 0}, "count 0 "),
        ({"boot": -1}, "boot -1 "),
        ({"boot": 1.5}, "boot 1.5 is not usable: expected the path of a file"),
        ({"key": 5}, "key 5 is not usable: expected the path of a file"),
        ({"key_name": "a"}, 'key_name "a" is not usable: expected no name without keys'),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(udpping.ConfigError, match=f"^{re.escape(told)}"):
        udpping.Heartbeat(**settings)


def test_a_machine_s_name_becomes_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"[\w.:@/+-]{1,64}", udpping.Heartbeat().id, re.ASCII)
    name = "Web 1 (\u00fc)" + "x" * 100
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", name, "", "", "")))
    assert udpping.Heartbeat().id == "Web-1----" + "x" * 55


def test_a_file_counts_the_starts(far: FarEnd, tmp_path: Path) -> None:
    file = tmp_path / "boot"
    for number in ("1", "2", "3"):
        with udpping.Heartbeat(*far.address, interval=60, boot=file):
            far.wait(1)
        assert file.read_text() == f"{number}\n"
        assert {line["boot"] for line in lines(far)} == {number}
        far.wait(4)
        far.received.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["boot"]
    for content in (b"seven", b"1" * 19, b"-1", b"\xff"):
        file.write_bytes(content)
        with pytest.raises(udpping.ConfigError, match="a file that holds a whole number"):
            udpping.Heartbeat(boot=str(file))
    with pytest.raises(FileNotFoundError):
        udpping.Heartbeat(boot=tmp_path / "none/boot")
