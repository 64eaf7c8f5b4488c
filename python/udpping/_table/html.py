"""Shows tables in a notebook: plain HTML without scripts."""

from html import escape

from udpping._table.excerpt import excerpt
from udpping._table.text import cell, rows_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from udpping._table.table import Table


def table_html(table: "Table") -> str:
    """Show the number of rows, and the first and last ones."""
    return f"<p>{rows_text(len(table))}</p>{ends_html(table)}"


def ends_html(table: "Table") -> str:
    names, rows, empty = excerpt(table)
    note = f"<p>without a value: {escape(', '.join(empty))}</p>" if empty else ""
    return grid(names, rows) + note


def grid(head: "Iterable[str]", rows: "Iterable[Iterable[object]]") -> str:
    return grid_of_html(head, ((escape(cell(value)) for value in row) for row in rows))


def grid_of_html(head: "Iterable[str]", rows: "Iterable[Iterable[str]]") -> str:
    """Show rows of cells in HTML."""
    names = "".join(_cell(escape(name), "th") for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    # On a narrow page the table scrolls, not the page.
    table = f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{table}</div>'


def _cell(html: str, kind: str = "td") -> str:
    # A cell has no line breaks, even if the page has other rules for tables.
    style = ' style="white-space:nowrap"' if " " in html else ""
    return f"<{kind}{style}>{html}</{kind}>"
