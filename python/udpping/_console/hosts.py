"""Finds the addresses of this machine and the listeners at a port, without sending anything."""

import errno
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from udpping._args.targets import is_loopback, target_text
from udpping.errors import NetworkError, PortBusyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Bound = TypeVar("Bound")

BOTH = "::"  # the wildcard of IPv6 takes IPv4 as well
WILD = {"0.0.0.0": "every IPv4 interface", BOTH: "every interface, IPv4 and IPv6"}  # noqa: S104 - shown, not bound
LINUX_GET_ADDRESS = 0x8915  # SIOCGIFADDR
# Reserved for documentation (RFC 5737, RFC 3849): the kernel chooses the source address as for any host.
ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


def addresses() -> list[str]:
    """List what other machines may reach, the likeliest first; not link-local ones, which need a scope."""
    found = [*_ways_out(), *_of_interfaces(), *_of_host_name()]
    return [
        each
        for each in dict.fromkeys(found)
        if not is_loopback(each) and not each.startswith(("169.254.", "fe80:"))
    ]


def on_every_interface(host: str | None, bind: "Callable[[str], Bound]") -> "Bound":
    if host is not None:
        return bind(host)
    try:
        return bind(BOTH)
    except PortBusyError:
        raise
    except NetworkError:
        # A machine without IPv6.
        return bind("")


def whereabouts(bound: tuple[str, int]) -> str:
    host, port = bound
    return f"listening on {WILD.get(host, with_zone_name(host))}, UDP port {port}"


def ways(command: str, bound: tuple[str, int], address: tuple[str, int]) -> tuple[str, list[str]]:
    """Return the commands, for this machine and for others, that reach what is bound there."""
    host, port = bound
    here = typed(command, "localhost" if host in WILD else address[0], port)
    if host in WILD:
        return here, client_commands(port, command, ipv6=host == BOTH)
    return here, [] if is_loopback(host) else [typed(command, host, port)]


def client_commands(port: int, command: str = "ping", *, ipv6: bool = True) -> list[str]:
    return [typed(command, each, port) for each in addresses() if ipv6 or ":" not in each]


def typed(command: str, host: str, port: int) -> str:
    """Return a command that a shell takes as it is: zsh takes unquoted brackets for a pattern."""
    from shlex import quote

    return f"udpping {command} {quote(target_text(with_zone_name(host), port))}"


def with_zone_name(host: str) -> str:
    """Write the interface behind the percent sign by its name: its number is another one elsewhere."""
    address, _, zone = host.partition("%")
    number = zone.partition("]")[0]
    with suppress(OSError, ValueError):
        return f"{address}%{socket.if_indextoname(int(number))}{zone[len(number) :]}"
    return host


def is_free(port: int) -> bool:
    """Return whether a server could bind that port on every interface."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(("", port))
        except OSError as error:
            # Without IPv6, no program has the port there.
            if family == socket.AF_INET or error.errno == errno.EADDRINUSE:
                return False
    return True


def listeners(port: int) -> list[str] | None:
    """List where programs on this machine listen on that port; `None` where the system does not report it."""
    found: list[str] = []
    readable = False
    for path, family in (("/proc/net/udp", socket.AF_INET), ("/proc/net/udp6", socket.AF_INET6)):
        try:
            lines = Path(path).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        readable = True
        for line in lines:
            # "12: 0100007F:2EE0 00000000:0000 07 ...": address in words of the machine's order, port, far end
            address, _, number = line.split()[1].partition(":")
            if int(number, 16) == port:
                words = [int(address[i : i + 8], 16) for i in range(0, len(address), 8)]
                found.append(socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words)))
    return list(dict.fromkeys(found)) if readable else None


def _ways_out() -> list[str]:
    found: list[str] = []
    for family, address in ELSEWHERE.items():
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue
    return found


def _of_interfaces() -> list[str]:
    found: list[str] = []
    # Elsewhere, the other two sources remain.
    if sys.platform != "linux":
        return found
    try:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            for _, name in socket.if_nameindex():
                try:
                    answer = fcntl.ioctl(
                        probe.fileno(), LINUX_GET_ADDRESS, struct.pack("256s", name.encode()[:15])
                    )
                except OSError:
                    continue
                found.append(socket.inet_ntoa(answer[20:24]))
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
        found += [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in lines]
    except OSError:
        return found
    return found


def _of_host_name() -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    except OSError:
        return []
