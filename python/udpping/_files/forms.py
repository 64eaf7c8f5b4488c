"""Tells by the first characters of a text which program wrote it."""

import csv
import re

from udpping import _core
from udpping._files.lines import lines, unstamped

COMMENT = "# udpping: "
"""The beginning of a CSV with metadata."""
SEPARATORS = ",;\t"
"""What may stand between the names of a header; the reader says which of them are read."""
ENOUGH = 2
"""So many names of columns of a run make a header."""
IRTT = r'\{\s{0,99}"(?:version|system_info|config|stats|round_trips)"\s{0,9}:\s{0,99}[\[{]'
"""The beginning of the JSON of irtt, in whichever order its parts stand."""
JSON = (
    ("irtt", re.compile(IRTT)),
    ("fping", re.compile(r'\{\s{0,9}"(?:resp|timeout|summary|vSum|intSum|stats)"\s{0,9}:\s{0,9}\{')),
    ("command", re.compile(r'\{\s{0,9}"schema"\s{0,9}:\s{0,9}\d+,\s{0,9}"type"')),
    ("json", re.compile(r"\{|\[\s{0,99}\{")),
)
PING = re.compile(
    r"PING6?[ (]|Ping \S+ \(|\d{1,9} bytes from |no answer yet for |Request timeout for "
    r"|\d{1,9} packets transmitted|.{0,200}?(?:\bbytes from \S|icmp_(?:seq|req)[= ]\d)"
)
WINDOWS = ("Pinging ", "Reply from ", "Request timed out", "Packets: Sent = ")
FOREIGN = re.compile(
    r".{0,99}?\S ?: .{0,30}?=\d+ .{1,30}?[=<] ?\d+ ?\w{1,9} TTL=\d"
    r"|(?!Packets: Sent).{0,40}?= ?\d+ ?[,\u3001\uff0c] ?[^=]{1,30}= ?\d+ ?[,\u3001\uff0c] ?[^=]{1,30}= ?\d+"
)
"""A reply and the sums of `ping` of Windows in another language, two of which have commas of their own."""
HOST = r"(?P<host>\S{1,300}(?: \(\S{1,300}\))?)\s{1,300}: "
"""The name before each line of fping; with `-A -n` and `-A -d` followed by the address."""
FPING = re.compile(rf"(?:\[[^]\n]{{1,60}}\] )?{HOST}(?:\[\d|duplicate for|(?:[\d.]+|-)(?: |$)|xmt/rcv)")


def form_of(head: str) -> str | None:
    text = head.lstrip()
    first = text.partition("\n")[0].strip()
    if form := _json(text):
        return form
    if first.startswith(COMMENT) or is_header(first):
        return "csv"
    for _, words in lines(text):
        line = unstamped(words)[1]
        if PING.match(line) or line.startswith(WINDOWS) or FOREIGN.match(line):
            return "ping"
        if FPING.match(words) or FPING.match(line):
            return "fping"
        if line[:1] == "{" and re.search(rf"^\s{{0,9}}{IRTT}", text, re.MULTILINE):
            return "irtt"
    return None


def is_header(line: str) -> bool:
    """Whether the names of columns of a run stand there, also if they are not quite ours."""
    ours = {name.replace("_", "") for name, *_ in _core.run_columns()}
    for separator in SEPARATORS:
        try:
            names = next(csv.reader([line], delimiter=separator))
        except (csv.Error, StopIteration):
            continue
        if len(ours & {re.sub("[^a-z0-9]", "", name.lower()) for name in names}) >= ENOUGH:
            return True
    return False


def _json(text: str) -> str | None:
    return next((form for form, mark in JSON if mark.match(text)), None)
