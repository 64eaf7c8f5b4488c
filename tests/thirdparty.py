"""Starts programs written elsewhere, waits until they listen, and ends them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from common import unasked_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

SECONDS = 60
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
"""Debian keeps some servers where only root looks."""


def program(name: str) -> str:
    found = shutil.which(name, path=PATH)
    assert found, f"{name} is not installed"
    return found


def listens(port: int, kind: str, host: str) -> bool:
    """Return whether somebody listens at a port of this machine, without sending anything there."""
    address = f"{socket.inet_aton(host)[::-1].hex()}:{port:04x}".upper()
    waiting = "07" if kind == "udp" else "0A"  # TCP_CLOSE, which is all that UDP has, and TCP_LISTEN
    rows = Path(f"/proc/net/{kind}").read_text(encoding="ascii").splitlines()[1:]
    return any(row.split()[1] == address and row.split()[3] == waiting for row in rows)


def free_ports() -> int:
    """Return a port free for UDP and TCP, of those that the kernel gives to nobody who does not ask."""
    rows = [Path(f"/proc/net/{kind}").read_text(encoding="ascii") for kind in ("udp", "tcp", "udp6", "tcp6")]
    while True:
        port = unasked_port()
        if not any(f":{port:04X} " in each for each in rows):
            return port


@contextlib.contextmanager
def started(
    folder: Path, *words: object, port: int | None = None, kind: str = "udp", host: str = "127.0.0.1"
) -> Generator[subprocess.Popen[bytes]]:
    """Start a program, wait until it listens if it has a port, and end it."""
    log = folder / f"{Path(str(words[0])).name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program(str(words[0])), *map(str, words[1:])],
            cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        if port is not None:
            wait_until(lambda: process.poll() is not None or listens(port, kind, host), SECONDS)
            assert process.poll() is None, log.read_text(errors="replace")
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def finished(folder: Path, *words: object) -> str:
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        [program(str(words[0])), *map(str, words[1:])], cwd=folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace", timeout=2 * SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine and its key, once in a folder."""
    made = folder / "certificate.pem", folder / "key.pem"
    if not made[0].exists():
        finished(
            folder, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-out", made[0], "-keyout", made[1], "-days", 1, "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        )  # fmt: skip
    return made
