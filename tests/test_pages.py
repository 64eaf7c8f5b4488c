"""The pages agree with the code and with each other: tables of names are complete, links lead somewhere."""

from __future__ import annotations

import inspect
import re
from fractions import Fraction
from pathlib import Path

import pytest
import udpping
from udpping import delay, loss
from udpping.cli._output import Report
from udpping.cli.demo import print_chance

pytestmark = pytest.mark.untimed

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def section(page: str, title: str) -> str:
    """Give the text below a heading of a page, up to the next of its kind."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def described(kind: type) -> list[str]:
    """List the attributes that have a docstring; the reference is written from these."""
    source = inspect.getsource(kind)
    return re.findall(r'^    (\w+): [^\n]+\n    """', source, re.MULTILINE)


def first_cells(text: str) -> list[str]:
    """Give the names in code type in the first column of the tables."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_demo_of_the_page_loses_what_the_program_loses(capsys: pytest.CaptureFixture[str]) -> None:
    text = section("command-line.md", "A demonstration").split("--count 6\n", 1)[1].split("```", 1)[0]
    run = udpping.sim.ping(count=6, loss="4/11", delay="exponential:20ms", timeout=0.2, seed=42)
    for row in run:
        shown = re.search(rf"seq={row.seq}(?: ttl=64 time=([0-9.]+) ms)?$", text, re.MULTILINE)
        assert shown, row
        if row.rtt_ns is None:
            assert shown[1] is None, row
        else:
            assert 0 <= float(shown[1]) - row.rtt_ns / 1e6 < 1, row
    assert next(line for line in repr(run.summary).splitlines() if "received in time" in line) in text
    print_chance(Report(json=False), run.summary.sent, run.summary.lost, Fraction(4, 11))
    assert capsys.readouterr().out.strip() in text


def test_every_column_status_and_number_of_a_summary_is_explained() -> None:
    assert tuple(described(udpping.Row)) == udpping.Row._fields
    assert tuple(described(udpping.LogRow)) == udpping.LogRow._fields
    assert tuple(described(udpping.PeerRow)) == udpping.PeerRow._fields
    assert tuple(described(udpping.MonitorEvent)) == udpping.MonitorEvent._fields
    assert described(udpping.Summary) == list(udpping.sim.ping(count=1).summary.as_dict())
    statuses = first_cells(section("results.md", "What became of a ping"))
    assert [name for name in statuses if f"`{name}`" in inspect.getsource(udpping.Row)] == statuses
    assert len(statuses) == 5


def test_every_model_is_named_and_every_text_is_good() -> None:
    models = section("loss-models.md", "Every model, as text and in Python")
    texts = first_cells(models)
    assert [str(loss.Loss(text)) for text in texts]
    assert {name for name in loss.__all__ if name != "Loss"} <= set(re.findall(r"loss\.(\w+)\(", models))
    kinds = {str(delay.Delay(text)).split(":")[0] for text in re.findall(r"`(\w+:[^`]*ms)`", models)}
    drawn = {"uniform", "exponential", "lognormal", "gamma", "normal", "pareto", "weibull"}
    assert kinds == drawn | {"table", "empirical", "trace"}


HEARTBEATS = (ROOT / "docs/heartbeats.md").read_text(encoding="utf-8")


def test_every_column_of_a_client_is_explained() -> None:
    table = HEARTBEATS.split("## What is known of a client", 1)[1].split("\n## ", 1)[0]
    assert sorted(first_cells(table)) == sorted(udpping.PeerRow._fields)


def test_every_event_is_explained() -> None:
    """The pages name those that the docstring names; faults of all kinds bring about most of them."""
    table = HEARTBEATS.split("## What a monitor says", 1)[1].split("\n## ", 1)[0]
    explained = set(first_cells(table))
    source = Path(inspect.getfile(udpping.MonitorEvent)).read_text(encoding="utf-8")
    docstring = source.split("What: a state", 1)[1].split('"""', 1)[0]
    assert explained == set(re.findall(r"`([a-z_]+)`", docstring)) - {"span_ns", "value", "previous", "seq"}
    seen = udpping.sim.heartbeat(
        ["crash@10 restart@15", "step:9s@10", "rebind@10", "bye@10", "pause:30s@10"], duration=60, losses=True
    )
    assert {event.event for event in seen.events} <= explained
    assert {row.state for row in seen.peers} <= explained


def test_every_key_of_a_heartbeat_is_explained() -> None:
    table = HEARTBEATS.split("## What a heartbeat says", 1)[1].split("\n## ", 1)[0]
    assert first_cells(table) == ["id", "session", "boot", "interval", "mono", "ack", "bye", "key", "mac"]


def slug(heading: str) -> str:
    """Name a heading as the sites that show Markdown do."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name}: {link}"


def test_every_page_and_notebook_is_in_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\* \[.+\]\((\S+)\)", index, re.MULTILINE))
    pages = {path.name for path in ROOT.glob("docs/*.md")}
    assert pages | {f"../examples/{path.name}" for path in ROOT.glob("examples/*.ipynb")} <= listed


def test_every_test_that_security_names_is_there() -> None:
    sources = [
        path.read_text(encoding="utf-8")
        for path in (
            *(ROOT / "tests").rglob("*.py"),
            *(ROOT / "tests").rglob("*.rs"),
            *(ROOT / "src").rglob("*.rs"),
        )
    ]
    there = set(re.findall(r"^\s*(?:async )?(?:def test_|fn )(\w+)", "\n".join(sources), re.MULTILINE))
    lines = (ROOT / "docs/security.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    assert {len(row) for row in rows} == {3}
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    assert len(named) > 50
    assert named <= there, sorted(named - there)
    unshown = [
        row for row in rows if "`" not in row[2] and row[2] != "tests" and not row[2].startswith("none: ")
    ]
    assert not unshown
