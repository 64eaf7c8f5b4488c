"""Splits the output of other programs into lines, and each line from the time that stands before it."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN = 60
"""The most characters of a line in an error."""

END = re.compile(r"\r*\n|\r+")
"""Windows ends a line with `\r\n`, script(1) with `\r\r\n`."""

CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: [AP]M\b)?"
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
DATE = (
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{{0,6}},? )?(?:{MONTH} {{1,2}}\d{{1,2}}|\d{{1,2}} {MONTH}),?"
    r"(?: \d{4})? |\d{1,4}(?P<dash>[-/.])\d{1,2}(?P=dash)\d{1,4}(?:T|,? )"
)
ZONE = r" ?(?:Z|[+-]\d\d:?\d\d)|(?: (?!PING)[A-Z]{3,5})?(?: \d{4}(?! bytes| packets))?"
EPOCH = r"\d{10}(?:\d{3}|[.,]\d{1,9})?|\+?\d{1,6}\.\d{3,9}"
STAMP = re.compile(
    rf"[\[(<]?(?:(?:{DATE})?{CLOCK}(?:{ZONE})|{EPOCH})[\])>]?(?:[ \t]*[,;|:>-][ \t]*|[ \t]+)(?=\S)"
    r"(?!bytes |packets )"
)
"""A time as `ts`, `awk`, `date` and loggers put it before a line: when the line was written."""
ARRIVAL = re.compile(r"\[(\d{1,12}(?:\.\d{1,9})?)\] ")
"""The time of `ping -D` and `fping -D`: when the reply came, in seconds since 1970."""


def lines(text: str) -> "Iterator[tuple[int, str]]":
    """Yield the number of each line, counted from 1, and the line without blanks around it."""
    start, number = 0, 0
    for number, end in enumerate(END.finditer(text), 1):
        yield number, text[start : end.start()].strip()
        start = end.end()
    if start < len(text):
        yield number + 1, text[start:].strip()


def last_line(text: str) -> int | None:
    """Return the number of a last line without an end, which may have been cut."""
    if text.endswith(("\n", "\r")):
        return None
    return sum(1 for _ in END.finditer(text)) + 1


def unstamped(words: str) -> tuple[str | None, str]:
    """Return the time of `-D`, and the line without that and without the time of another program."""
    arrival = ARRIVAL.match(words)
    if arrival is None and (stamp := STAMP.match(words)):
        words = words[stamp.end() :]
        arrival = ARRIVAL.match(words)
    return (None, words) if arrival is None else (arrival[1], words[arrival.end() :])
