"""The notebooks run, from a question to an answer in a picture."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

nbformat: Any = pytest.importorskip("nbformat", reason="has no wheel for this Python")
nbclient: Any = pytest.importorskip("nbclient", reason="has no wheel for this Python")
pytest.importorskip("matplotlib", reason="has no wheel for this Python")
pytest.importorskip("ipykernel", reason="no ipykernel here")

BOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))

# Jupyter's own warnings are not ours; on one machine one kernel at a time is enough.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.xdist_group("kernel"),
    pytest.mark.timeout(300),
]


def pictures(book: Any) -> list[bytes]:  # noqa: ANN401 - nbformat's own types
    """Give the pictures that the cells show."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    found = [output.get("data", {}).get("image/png") for output in outputs]
    return [base64.b64decode(picture) for picture in found if picture]


def printed(book: Any, name: str = "stdout") -> str:  # noqa: ANN401 - nbformat's own types
    """Give what the cells print."""
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    return "".join(output.text for output in outputs if output.get("name") == name)


def test_there_are_some() -> None:
    assert len(BOOKS) >= 8


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_it_runs_as_it_is_shown(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "JUPYTER_DATA_DIR",
        "MPLCONFIGDIR",
    ):
        monkeypatch.setenv(name, str(tmp_path / name))
    shown = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        run, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    fresh = pictures(run)
    assert len(fresh) == len(pictures(shown)) >= 1
    assert all(len(picture) > 5_000 for picture in fresh)
    assert not printed(run, "stderr")
    # In virtual time everything repeats, so the sentences between are still about these numbers.
    far_ends = ("udpping.Server(", "udpping.Reflector(", "udpping.LocalHosts(")
    if not any(far_end in cell.source for cell in run.cells for far_end in far_ends):
        assert printed(run) == printed(shown)


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_it_begins_with_a_question_and_ends_with_an_answer_in_a_picture(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    first, *_, last_code, last = book.cells
    assert first.source.startswith("# ")
    assert "?" in first.source
    assert "image/png" in last_code.outputs[-1].data
    assert last.source.startswith("**Answer.**")


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_what_is_stored_can_be_shown_by_a_code_host(path: Path) -> None:
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not printed(book, "stderr")
    text = path.read_text("utf-8")
    for word in ("<script", "/home/", "site-packages"):
        assert word not in text
