"""A real Jupyter kernel: the stop button ends the cell that pings, and nothing else."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest
from udpping.testing import FarEnd, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("ipykernel", reason="no ipykernel here")
manager = pytest.importorskip("jupyter_client.manager", reason="no jupyter_client here")

# Jupyter's own warnings are not ours; on one machine one kernel at a time is enough.
pytestmark = [
    pytest.mark.python,
    pytest.mark.filterwarnings("default"),
    pytest.mark.xdist_group("kernel"),
]


class Notebook:
    """Cells for a kernel, one after the other."""

    def __init__(self, kernel: Any, client: Any) -> None:  # noqa: ANN401 - jupyter_client's own types
        self._kernel, self._client = kernel, client

    def begin(self, code: str) -> str:
        """Start a cell."""
        return str(self._client.execute(code))

    def interrupt(self) -> None:
        """Press the stop button."""
        self._kernel.interrupt_kernel()

    def alive(self) -> bool:
        return bool(self._kernel.is_alive())

    def shows(self, cell: str) -> Iterator[dict[str, Any]]:
        """Give what a cell shows, until its end."""
        while True:
            try:
                message: dict[str, Any] = self._client.get_iopub_msg(timeout=60)
            except queue.Empty:
                pytest.fail("the kernel fell silent")
            if message["parent_header"].get("msg_id") != cell:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            yield {"type": message["msg_type"], **message["content"]}

    def end(self, cell: str) -> list[dict[str, Any]]:
        """Wait for the end of a cell; gives back what it showed."""
        return list(self.shows(cell))

    def run(self, code: str) -> str:
        """Run a cell that prints."""
        shown = self.end(self.begin(code))
        assert not [each for each in shown if each["type"] == "error"], shown
        return "".join(each["text"] for each in shown if each["type"] == "stream")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    kernel, client = manager.start_new_kernel(kernel_name="python3", startup_timeout=60)
    try:
        yield Notebook(kernel, client)
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


@pytest.mark.parametrize("call", ["ping(*target, count=100_000", "Pinger(*target, count=None"])
def test_an_interrupted_cell_leaves_the_kernel_alive_and_the_rows_in_last_run(
    notebook: Notebook, call: str
) -> None:
    with FarEnd(5 * [Reply()]) as far:
        notebook.run(f"import udpping\ntarget = {far.address!r}")
        tail = ".run()" if call.startswith("Pinger") else ""
        cell = notebook.begin(f"run = udpping.{call}, timeout='1h'){tail}")
        far.wait(6, 60)
        notebook.interrupt()
        shown = notebook.end(cell)
    assert [each["ename"] for each in shown if each["type"] == "error"] == ["Interrupted"]
    assert notebook.alive()
    assert notebook.run("print([row.status for row in udpping.last_run])") == f"{['reply'] * 5}\n"
    again = "with udpping.Server(port=0) as s: print(udpping.ping(s, count=2, timeout=20).summary.received)"
    assert notebook.run(again) == "2\n"


def test_a_run_shows_itself_as_html(notebook: Notebook) -> None:
    code = """
import udpping
with udpping.Server(port=0, loss="every:2") as server:
    run = udpping.ping(*server.address, count=4, interval=0.01, timeout=3, linger=0)
run
"""
    (shown,) = [each for each in notebook.end(notebook.begin(code)) if each["type"] == "execute_result"]
    assert "<table>" in shown["data"]["text/html"]
    assert "<svg" in shown["data"]["text/html"]
    assert "4 sent, 2 received in time" in shown["data"]["text/plain"]


def test_a_server_serves_while_cells_come_and_go(notebook: Notebook) -> None:
    notebook.run("import udpping\nserver = udpping.Server(port=0, record=True)\nserver.start()")
    notebook.run("run = udpping.ping(*server.address, count=3, timeout=20)")
    assert notebook.run("print(len(server.log), server.running)") == "3 True\n"
    assert notebook.run("server.stop()\nprint(server.running)") == "False\n"


def test_a_live_run_changes_its_own_output_and_survives_the_stop_button(notebook: Notebook) -> None:
    with FarEnd() as far:
        call = f"udpping.live(*{far.address!r}, count=10**6, interval=0.01, every=0.1)"
        cell = notebook.begin(f"import udpping\nrun = {call}")
        kinds: list[str] = []
        shown: list[dict[str, Any]] = []
        for message in notebook.shows(cell):
            shown.append(message)
            kinds.append(message["type"])
            if message["type"] == "update_display_data" and kinds.count(message["type"]) == 2:
                far.wait(50, 60)
                notebook.interrupt()
    assert kinds.count("display_data") == 1
    assert kinds.count("update_display_data") >= 2
    assert "error" not in kinds
    ids = {m["transient"]["display_id"] for m in shown if m["type"].endswith("display_data")}
    assert len(ids) == 1
    assert all("<svg" in m["data"]["text/html"] for m in shown if m["type"] == "update_display_data")
    assert int(notebook.run("print(run.summary.received)")) > 10
