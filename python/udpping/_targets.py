"""Who to ask, as people write it."""

from udpping.errors import ConfigError

DEFAULT_PORT = 12000
MAX_PORT = 65_535


def parse_target(text: str, port: int = DEFAULT_PORT) -> tuple[str, int]:
    """Read `host`, `host:port`, `v6` or `[v6]:port`; `port` stands in for a missing one."""
    host, tail = text, ""
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ConfigError(f"target {text!r} is not usable: expected host, host:port or [IPv6]:port")
    elif text.count(":") == 1:
        host, _, tail = text.partition(":")
        tail = ":" + tail
    if not host:
        raise ConfigError(f"target {text!r} is not usable: expected host, host:port or [IPv6]:port")
    return host, parse_port(tail[1:]) if tail else port


def parse_port(text: str) -> int:
    """Read a port that something can be sent to."""
    port = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= port <= MAX_PORT:
        raise ConfigError(f"port {text!r} is not usable: expected 1 to {MAX_PORT}")
    return port


def target_text(host: str, port: int) -> str:
    """Write it so that it can be read back: `host:port` or `[v6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
