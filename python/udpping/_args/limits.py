"""Ports and bounds that several modules go by; what the core goes by too is the core's."""

from udpping import _core

DEFAULT_PORT = _core.ECHO_PORT
"""That of the course, for pings."""
MONITOR_PORT = 12001
"""Where a monitor listens: beside it."""
MAX_PORT = 65_535
MAX_PAYLOAD = _core.MAX_PAYLOAD
"""Bytes of a datagram."""
MOST_PINGS = 2**32 - 1
"""The longest count on a command line."""
