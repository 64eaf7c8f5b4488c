"""Parses the heartbeats that a monitor receives."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from udpping.testing import FarEnd

LINE = re.compile(
    r"Heartbeat (?P<seq>[1-9]\d*) (?P<time>\d{10}(?:\.\d{0,8}[1-9])?) id=(?P<id>[\w.:@/+-]+)"
    r" session=(?P<session>[0-9a-f]{16})(?: boot=(?P<boot>\d+))? interval=(?P<interval>\d+(?:\.\d+)?)"
    r" mono=(?P<mono>\d+(?:\.\d{0,8}[1-9])?)(?: ack=(?P<ack>\d+))?(?: bye=(?P<bye>-?\d+))?"
    r"(?: key=(?P<key>[\w.:@/+-]+) mac=(?P<mac>[0-9a-f]{32}))?",
    re.ASCII,
)


def lines(far: FarEnd) -> list[dict[str, Any]]:
    """Parse the received lines; each must match the documented format."""
    found = [LINE.fullmatch(request.payload.decode()) for request in far.received]
    assert all(found), [request.payload for request in far.received]
    return [match.groupdict() for match in found if match]


def seqs(far: FarEnd) -> list[int]:
    return [int(line["seq"]) for line in lines(far)]


def byes(far: FarEnd) -> list[str]:
    return [line["bye"] for line in lines(far) if line["bye"]]
