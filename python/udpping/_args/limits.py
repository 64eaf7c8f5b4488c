"""Ports and bounds that several modules use; those of the core come from the core."""

from udpping import _core

DEFAULT_PORT = _core.ECHO_PORT
"""The port of the course's server, for pings."""
MONITOR_PORT = 12001
"""The port of a monitor, next to it."""
STAMP_PORT = _core.STAMP_PORT
"""The port of reflectors of STAMP."""
MAX_PORT = 65_535
MAX_PAYLOAD = _core.MAX_PAYLOAD
"""The most bytes of a datagram's payload."""
MOST_PINGS = 2**32 - 1
"""The longest count on a command line."""
