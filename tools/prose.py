"""Checks the English of README, docs, notebooks, docstrings and help: short sentences, and known words.

python tools/prose.py [--figures]     figures: also print the words a sentence of each page

Each rule is tried on a text that breaks it at every run, so a rule that has gone blind fails too.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from udpping.cli import COMMANDS

from manuals import actions_of, command_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
MEAN = 18.0  # words a sentence, on average over a page
LONGEST = 45  # words
SEMICOLONS = 0.1  # a sentence

WORDS = {
    r"is heard|are heard|was heard|were heard|hears": "receive: packets are received",
    r"held back|holds? back|hold each reply back": "delay: packets are delayed",
    r"is well|are well|be well": "healthy: a sender is healthy",
    r"draws are|its draws": "random numbers",
    r"tells? of|told of": "report",
    r"be had|can have it": "get, use",
    r"in order to": "to",
    r"utili[sz]es?": "use",
    r"simply|obviously|of course": "leave it out",
    r"e\.g\.|i\.e\.|etc\.": "for example, that is, and so on",
}
"""Words that must be looked up or decoded, and what to write instead."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page."""
    for path in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]:
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("examples/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        yield path.relative_to(ROOT).as_posix(), "\n\n".join(texts)


def docstrings() -> Iterator[tuple[str, str]]:
    """Yield the file and line and the text of each docstring of the package, without its examples."""
    for path in sorted(ROOT.glob("python/udpping/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Expr(ast.Constant(str(text))):
                    prose = re.sub(r"(?ms)^>>>.*?(\n\s*\n|\Z)", "\n\n", inspect.cleandoc(text))
                    yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", prose
                case _:
                    pass


def help_texts() -> Iterator[tuple[str, str]]:
    """Yield the name and the texts of each command."""
    for name, purpose in COMMANDS.items():
        parser = command_parser(name)
        lines = [purpose, parser.description or "", *(action.help or "" for action in actions_of(parser))]
        yield f"udpping {name} --help", re.sub(r"(?m)^ .*", "", "\n\n".join(lines))


def paragraphs(page: str) -> Iterator[str]:
    """Yield the paragraphs and list items of a page, without code, tables and headings."""
    hidden = r"^( *)```[\s\S]*?^\1```$|<!--[\s\S]*?-->|^#+ .*$|^ *\|.*$"
    text = re.sub(hidden, "\n", page, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*(?:\[[^\]]*\][^\]]*)?)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"``.+?``|`[^`]+`", "X", text)
    for block in re.split(r"\n\s*\n|^ *(?:[*-]|\d+\.) ", text, flags=re.MULTILINE):
        if paragraph := " ".join(block.split()):
            yield paragraph


def sentences(page: str) -> list[list[str]]:
    """Split a page into sentences, and these into words."""
    found = [
        re.findall(r"[^\s]*\w[^\s]*", sentence)
        for paragraph in paragraphs(page)
        for sentence in re.split(r"(?<=[.!?:])[)*\"”]*\s+(?=[\"(*]*[A-Z0-9])", paragraph)
    ]
    return [words for words in found if words]


def mean(page: str) -> float:
    """Return the words a sentence."""
    found = sentences(page)
    return sum(map(len, found)) / max(1, len(found))


def wrong(name: str, page: str, *, whole: bool = True) -> Iterator[str]:
    """Yield what breaks a rule; a text that is no whole page has no average."""
    found = sentences(page)
    for words in found:
        if len(words) > LONGEST:
            yield f"{name}: a sentence of {len(words)} words, more than {LONGEST}: {' '.join(words[:12])} ..."
    if whole and (average := mean(page)) > MEAN:
        yield f"{name}: {average:.1f} words a sentence, more than {MEAN:g}: make two of the longest"
    semicolons = sum(paragraph.count(";") for paragraph in paragraphs(page))
    if whole and semicolons > SEMICOLONS * len(found) + 1:
        yield f"{name}: {semicolons} semicolons in {len(found)} sentences: write two sentences instead"
    for pattern, instead in WORDS.items():
        for paragraph in paragraphs(page):
            for match in re.finditer(rf"\b(?:{pattern})(?!\w)", paragraph, re.IGNORECASE):
                yield f"{name}: {match[0]!r}: write instead: {instead}"


def prove() -> Iterator[str]:
    """Yield each rule that does not see what breaks it."""
    long = "One two three four five six seven eight nine ten. "
    for rule, page in {
        "longest": "word " * (LONGEST + 1),
        "average": " ".join(["word"] * 30) + ". ",
        "semicolons": "This; that; those. " + long * 3,
        "words": "A packet is heard.",
    }.items():
        if not list(wrong("proof", f"# Title\n\n| a | b |\n\n{page}")):
            yield f"tools/prose.py: blind: {rule}"
    hidden = (
        f"# Is heard\n\n| is heard |\n\n```\n{'word ' * 60}\n```\n\n`is heard` <!-- is heard -->\n\n{long}"
    )
    yield from (f"tools/prose.py: sees what is no prose: {each}" for each in wrong("proof", hidden))


def main(words: list[str]) -> int:
    """Print what is wrong."""
    texts = [(name, text, True) for name, text in pages()] + [
        (name, text, False) for name, text in [*help_texts(), *docstrings()]
    ]
    if "--figures" in words:
        for name, text, _ in texts:
            found = sentences(text)
            semicolons = sum(paragraph.count(";") for paragraph in paragraphs(text))
            print(f"{mean(text):5.1f} words in {len(found):4} sentences, {semicolons:3} semicolons: {name}")
    faults = [*prove(), *(line for name, text, whole in texts for line in wrong(name, text, whole=whole))]
    print(*faults, sep="\n", end="\n" if faults else "")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
