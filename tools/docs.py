"""Builds the site of the documentation: the pages of docs/, the notebooks, and a reference written here.

python tools/docs.py FOLDER     FOLDER gets the site; what Sphinx read is left in FOLDER-source

Every warning is an error: a link that leads nowhere, a page that no list has, a name that is not there. The
lists of docs/index.md are the navigation. The site needs no network: no fonts, scripts or pictures of others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import records
import reference
import udpping
from metadata import HOME, LINK
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
ABOUT = ("CHANGELOG.md", "CONTRIBUTING.md", "DESIGN.md", "SECURITY.md")
"""Pages beside README.md, which is the first one."""
SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)

SETTINGS = {
    "project": "udpping",
    "copyright": "MIT or Apache-2.0",
    "release": udpping.__version__,
    "extensions": ["myst_nb", "sphinx_copybutton"],
    "html_baseurl": HOME,
    "html_theme": "furo",
    "html_title": f"udpping {udpping.__version__}",
    "html_copy_source": False,
    "html_show_sphinx": False,
    "html_static_path": ["static"],
    "html_css_files": ["site.css"],
    "nb_execution_mode": "off",  # tests/test_notebooks.py runs them; the site shows what is stored
    "myst_enable_extensions": ["colon_fence", "deflist"],
    "myst_heading_anchors": 4,
    "python_maximum_signature_line_length": 80,
    "copybutton_prompt_text": r"\$ |>>> |\.\.\. ",
    "copybutton_prompt_is_regexp": True,
    "suppress_warnings": ["myst.header", "ref.python"],  # a type may have a namesake
}


def main(site: Path) -> int:
    """Put together what Sphinx reads, and let it build the site."""
    source = site.with_name(f"{site.name}-source")
    for folder in (site, source):
        shutil.rmtree(folder, ignore_errors=True)
    write_source(source)
    app = Sphinx(
        source, None, site, source.with_name(f"{site.name}-trees"), "html", SETTINGS,
        status=None, freshenv=True, warningiserror=True, keep_going=True,
    )  # fmt: skip
    app.build()
    shutil.copy(ROOT / "docs/picture.svg", site / "docs")  # where the description of the package has it
    (site / "records.schema.json").write_text(json.dumps(records.schema(), indent=2), encoding="utf-8")
    print(f"NB: the site is {site / 'index.html'}, of {len(list(site.rglob('*.html')))} pages")
    return app.statuscode


def write_source(source: Path) -> None:
    """Copy pages and notebooks, and write the reference."""
    shutil.copytree(ROOT / "docs", source / "docs")
    shutil.copytree(ROOT / "tools/static", source / "static")
    (source / "examples").mkdir()
    for book in ROOT.glob("examples/*.ipynb"):
        shutil.copy(book, source / "examples")
    for name in ABOUT:
        shutil.copy(ROOT / name, source)
    written = reference.pages()
    for name, text in written.items():
        page = source / f"docs/reference/{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(text, encoding="utf-8")
    (source / "index.md").write_text(front(list(written)), encoding="utf-8")
    for page in source.rglob("*.md"):
        page.write_text(local(page, source), encoding="utf-8")


def front(written: list[str]) -> str:
    """Return the first page: the README, and the navigation that docs/index.md lists."""
    lists = dict(SECTION.findall((ROOT / "docs/index.md").read_text(encoding="utf-8")))
    parts = [(ROOT / "README.md").read_text(encoding="utf-8")]
    if HOME:
        parts.append(f"## Cite\n\nudpping {udpping.__version__}. <{HOME}>")
    for title, text in lists.items():
        entries = [f"/docs/{target}" for _, _, target in LINK.findall(text)]
        if title == "Reference":
            entries += [f"/docs/reference/{name}.md" for name in written]
        parts.append(
            "\n".join(
                [":::{toctree}", ":hidden:", f":caption: {title}", "", *map(os.path.normpath, entries), ":::"]
            )
        )
    return "\n\n".join(parts)


def local(page: Path, source: Path) -> str:
    """Return a page without links to files that the site does not have: their names stay."""

    def kept(link: re.Match[str]) -> str:
        target = link[3].partition("#")[0]
        there = page.parent / target
        if not target or "://" in target or there.is_file():
            return link[0]
        origin = ROOT / there.resolve().relative_to(source.resolve())
        return link[2] if origin.exists() else link[0]

    text = page.read_text(encoding="utf-8").replace(
        "```csv\n", "```text\n"
    )  # of which Pygments knows nothing
    return LINK.sub(kept, text)


if __name__ == "__main__":
    sys.exit(main(ROOT / sys.argv[1]))
