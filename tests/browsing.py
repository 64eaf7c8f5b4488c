"""Drives a headless Chromium without a network, and returns what a page requests and logs."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait
from thirdparty import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no host but 127.0.0.1 resolves
]
SHOTS = os.environ.get("UDPPING_SHOTS")
"""The directory for screenshots; without it, none are saved."""

LUMINANCE = """
const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const rgba = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
const over = (c, b, a) => c.slice(0, 3).map((v, i) => v * a + b[i] * (1 - a));
const ground = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
  if (c[3] > 0.99) return c; } return [255, 255, 255]; };
const contrast = (text, back, opacity) => {
  const c = rgba(text), a = light(over(c, back, c[3] * opacity)), b = light(back);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
"""


class Page:
    """A page in the browser."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self._driver, self._folder = driver, folder
        self._log: Callable[[str], list[dict[str, str]]] = driver.get_log  # it is not typed

    def open(self, page: str, *, width: int = 900, dark: bool = False) -> None:
        """Show a page."""
        path = self._folder / "page.html"
        path.write_text(page, encoding="utf-8")
        self.visit(path.as_uri(), width=width, dark=dark)

    def visit(self, address: str, *, width: int = 900, dark: bool = False) -> None:
        """Show the page at an address of this machine."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._log("browser")
        self._log("performance")
        self._driver.get(address)

    def run(self, code: str) -> Any:  # noqa: ANN401 - whatever the script returns
        """Run a script in it, which may use `contrast` and `ground`."""
        return self._driver.execute_script(LUMINANCE + code)

    def click(self, selector: str) -> None:
        """Click on the one element that matches, as a mouse does."""
        (found,) = self._driver.find_elements("css selector", selector)
        found.click()

    def until(self, true: Callable[[], object], patience: float = 120) -> None:
        """Wait until a condition is true."""
        WebDriverWait(self._driver, patience, 0.1).until(lambda _: true())

    def complaints(self) -> list[str]:
        """Return the messages of the console."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that the page requested, other than its own file."""
        events = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        assert asked, "the browser tells of no request, not even of the page"
        return [url for url in asked if not url.startswith(("file:///", "data:"))]

    def shot(self, name: str) -> None:
        """Save a screenshot, if UDPPING_SHOTS is set."""
        if SHOTS:
            height = self.run("return document.documentElement.scrollHeight")
            width = self.run("return innerWidth")
            size = {"width": width, "height": min(height, 6000), "deviceScaleFactor": 1, "mobile": False}
            self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            self._driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))


@contextmanager
def chromium() -> Generator[webdriver.Chrome]:
    """Start Chromium; without one, fail instead of skipping."""
    binary = next(filter(None, map(shutil.which, NAMES)), None)
    chromedriver = shutil.which("chromedriver")
    assert binary, "no Chromium here: make test says how to install it"
    assert chromedriver, "no chromedriver here: make test says how to install it"
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=Service(chromedriver, port=free_ports()))
        yield driver
        driver.quit()
