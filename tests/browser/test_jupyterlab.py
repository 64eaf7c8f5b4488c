"""The real JupyterLab: results can be read in its own page, and its stop button keeps what was measured."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from browsing import Page

# A server, a page of megabytes and a kernel have to come up first.
pytestmark = pytest.mark.timeout(300)

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Else only those cells are in the page that are on the screen.
    "notebook-extension/tracker": {"windowingMode": "none"},
}
SHOW = """\
import udpping
run = udpping.sim.ping(count=200, interval=0.1, loss="burst:20%,3", delay="exponential:5ms", seed=1)
run

%matplotlib inline
run.plot()

udpping.compare({"one": run, "two": udpping.sim.ping(count=99, loss="40%")})

udpping.fit(run)

udpping.stats.loss(run)

udpping.sim.heartbeat(["", "crash@30min"], seed=1).peers"""
LIVE = """\
import udpping
server = udpping.Server(port=0, loss="30%")
server.start()
live = udpping.live(*server.address, count=1_000_000, interval=0.01, timeout=0.1, every=0.2)

server.stop()
print(len(live), live.summary.sent, live.summary.received)"""
BOOK = "window.jupyterapp?.shell.currentWidget"


class Lab:
    """A notebook in JupyterLab."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self._address = page, address

    def open(self, name: str) -> None:
        """Show it, wait for its kernel, and run all of its cells."""
        self.page.visit(self._address.replace("NAME", name), width=1200)
        path = f"return {BOOK}?.context?.path"
        self.page.until(lambda: self.page.run(path) == f"{name}.ipynb" and self.idle())
        self.command("notebook:run-all-cells")

    def command(self, name: str, **values: object) -> None:
        """Do what an entry of a menu does."""
        self.page.run(f"void jupyterapp.commands.execute({name!r}, {json.dumps(values)})")

    def idle(self) -> bool:
        """Whether there is a kernel, and nothing left to do for it."""
        status: str | None = self.page.run(f"return {BOOK}?.sessionContext?.session?.kernel?.status")
        return status == "idle"

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Give what a cell shows."""
        told: list[dict[str, Any]] = self.page.run(
            f"return {BOOK}.content.widgets[{cell}].outputArea.model.toJSON()"
        )
        return told


@contextmanager
def serving(folder: Path) -> Generator[str]:
    """Start JupyterLab at any free port of this machine; gives the address of its notebooks."""
    for name, values in SETTINGS.items():
        path = folder / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    (folder / "books").mkdir()
    for name, sources in (("show", SHOW), ("live", LIVE)):
        cell: dict[str, object] = {
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
        }
        cells = [{**cell, "source": source} for source in sources.split("\n\n")]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        book = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
        (folder / f"books/{name}.ipynb").write_text(json.dumps(book), encoding="utf-8")
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {f"JUPYTERLAB_{name}_DIR": str(folder / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    token, log = secrets.token_hex(), folder / "log"
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    options += [f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True"]
    with (
        log.open("wb") as told,
        subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=folder / "books",
            env=os.environ | own | {"IPYTHONDIR": str(folder)},
            stdout=told,
            stderr=told,
        ) as server,
    ):
        try:
            address = None
            end = time.monotonic() + 120
            while address is None:
                assert server.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < end, log.read_text(encoding="utf-8")
                time.sleep(0.05)
                address = re.search(r"http://127\.0\.0\.1:\d+/lab\b", log.read_text(encoding="utf-8"))
            yield f"{address[0]}/tree/NAME.ipynb?reset&token={token}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give where JupyterLab is."""
    with serving(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture
def lab(page: Page, address: str) -> Iterator[Lab]:
    """Give a page for a notebook; it is left while JupyterLab runs, which it asks to save as it goes."""
    yield Lab(page, address)
    page.visit("about:blank")


def test_results_can_be_read_in_both_themes(lab: Lab) -> None:
    lab.open("show")
    cells = SHOW.count("\n\n") + 1
    lab.page.until(lambda: lab.idle() and lab.outputs(cells - 1))
    shown = [[output["output_type"] for output in lab.outputs(cell)] for cell in range(cells)]
    assert shown == [
        ["execute_result"],
        ["execute_result", "display_data"],
        *[["execute_result"]] * (cells - 2),
    ]
    for theme in "Light", "Dark":
        lab.command("apputils:change-theme", theme=f"JupyterLab {theme}")
        lab.page.until(lambda: lab.page.run("return document.body.dataset.jpThemeName").endswith(theme))  # noqa: B023
        lab.page.shot(f"lab-{theme}")
        words = lab.page.run("""
            const all = [...document.querySelectorAll('.jp-OutputArea :is(p, td, th, code)')];
            const told = all.filter(e => e.innerText.trim());
            return told.map(e => [e.innerText, contrast(getComputedStyle(e).color, ground(e), 1)]);""")
        assert len(words) > 300
        assert [word for word in words if word[1] < 4.5] == []
        marks = lab.page.run("""
            return [...document.querySelectorAll('.jp-OutputArea path[data-marks]')].map(e => {
              const s = getComputedStyle(e);
              return contrast(s.stroke, ground(e), Number(s.strokeOpacity)); });""")
        assert len(marks) > 5
        assert min(marks) >= 3
    # Loss and interval stay on one line, and what is wide is scrolled and not cut off.
    heights = lab.page.run("""
        const cell = [...document.querySelectorAll('.jp-OutputArea td')].find(e => e.innerText.includes('['));
        return [cell, cell.previousSibling].map(e => { const words = document.createRange();
          words.selectNodeContents(e); return words.getBoundingClientRect().height; });""")
    assert heights[0] == heights[1]
    wide = lab.page.run("""
        return [...document.querySelectorAll('.jp-OutputArea table')].filter(e => {
          const box = e.parentElement.getBoundingClientRect();
          return e.getBoundingClientRect().right > box.right + 1
            && getComputedStyle(e.parentElement).overflowX !== 'auto'; }).length;""")
    assert wide == 0


def test_it_draws_while_it_measures_and_the_stop_button_keeps_the_data(lab: Lab) -> None:
    def sent() -> int:
        """Give how many pings the first cell shows at present."""
        told = [output for output in lab.outputs(0) if output["output_type"] == "display_data"]
        html = "".join(told[0]["data"]["text/html"]) if told else ""
        assert len(told) <= 1, "it is drawn in one place"
        # The table's second cell.
        return int(re.findall(r"<td>([\d,]+)</td>", html)[0].replace(",", "")) if html else 0

    def drawn_often() -> bool:
        seen.add(sent())
        return len(seen - {0}) > 2

    seen: set[int] = set()
    lab.open("live")
    lab.page.until(drawn_often)
    lab.page.shot("lab-live")
    assert not lab.idle()
    lab.page.click("[data-command='notebook:interrupt-kernel']")
    lab.page.until(lab.idle)
    assert [output["output_type"] for output in lab.outputs(0)] == ["display_data"]
    lab.page.until(lambda: lab.outputs(1))
    (printed,) = lab.outputs(1)
    rows, settled, received = map(int, "".join(printed["text"]).split())
    assert max(seen) <= settled == rows == sent()
    assert 0 < received < settled < 1_000_000
