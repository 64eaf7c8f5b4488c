"""Who to ask, as people write it."""

from udpping._args.limits import DEFAULT_PORT, MAX_PORT
from udpping.errors import ConfigError


def parse_target(text: str, port: int = DEFAULT_PORT) -> tuple[str, int]:
    """Read `host`, `host:port`, `v6` or `[v6]:port`; `port` stands in for a missing one."""
    host, tail = text, ""
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or tail[:1] not in {"", ":"}:
            host = ""
    elif text.count(":") == 1:
        host, colon, tail = text.partition(":")
        tail = colon + tail
    if not host:
        raise ConfigError(f"target {text!r} is not usable: expected host, host:port or [IPv6]:port")
    if tail:
        digits = tail[1:]
        port = int(digits) if digits.isascii() and digits.isdigit() else 0
        if not 1 <= port <= MAX_PORT:
            raise ConfigError(f"target {text!r} is not usable: expected a port from 1 to {MAX_PORT}")
    return host, port


def target_text(host: str, port: int) -> str:
    """Write it so that it can be read back: `host:port` or `[v6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    return host == "::1" or host.startswith(("127.", "::ffff:127."))
