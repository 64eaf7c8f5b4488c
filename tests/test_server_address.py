"""Where a server listens, from where it answers, and who is warned."""

from __future__ import annotations

import errno
import socket
import warnings

import pytest
import udpping
from common import ask, udp_socket
from udpping.testing import free_port

HAS_IPV6 = socket.has_ipv6


def test_a_busy_port_is_an_error_that_names_it_and_says_what_to_do() -> None:
    with udp_socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(udpping.PortBusyError, match=str(port)) as caught:
            udpping.Server(port=port)
    assert caught.value.errno == errno.EADDRINUSE
    assert "port_tries" in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert "\n" not in str(caught.value)


def test_port_tries_walks_up_to_the_first_free_port() -> None:
    with udp_socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        server = udpping.Server(port=port, port_tries=50)
    assert port < server.bound[1] < port + 50


def test_a_port_is_free_again_after_stop() -> None:
    """A cell of a notebook that is run again takes the same port, while the old server still has a name."""
    port = free_port()
    with udpping.Server(port=port) as first:
        pass
    with udpping.Server(port=port) as second:
        assert second.address == first.address


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
def test_ipv6_answers() -> None:
    with udpping.Server("::1", 0) as server:
        assert server.address[0] == "::1"
        assert ask(server, b"six") == b"SIX"


@pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")
def test_two_colons_serve_both_versions() -> None:
    with udpping.Server("::", 0, record=True) as server, udp_socket() as four:
        events = server.follow()
        assert server.bound[0] == "::"
        assert ask(server, b"six") == b"SIX"
        port = server.address[1]
        four.sendto(b"four", ("127.0.0.2", port))
        assert four.recvfrom(100) == (b"FOUR", ("127.0.0.2", port))
        shown = f"127.0.0.1:{four.getsockname()[1]}"
        assert next(events).client.startswith("[::1]:")
        assert next(events).client == server.log[1].client == shown, "not as ::ffff:127.0.0.1"


def test_a_wildcard_answers_from_the_address_that_was_asked() -> None:
    """Otherwise the client would rightly take the reply for a stranger's."""
    with udpping.Server("", 0) as server:
        assert server.bound[0] == "0.0.0.0"  # noqa: S104 - what "" means
        assert server.address == ("127.0.0.1", server.bound[1])
        run = udpping.ping("127.0.0.2", server.bound[1], count=2, timeout=2)
    assert [row.source for row in run] == [f"127.0.0.2:{server.bound[1]}"] * 2
    assert run.summary.foreign == 0


@pytest.mark.parametrize("reply", ["{message}{message}", "{message} OK", "a constant"])
def test_who_can_be_made_to_amplify_is_warned(reply: str) -> None:
    with pytest.warns(udpping.AmplificationWarning, match="strangers"):
        udpping.Server("", 0, reply=reply)


@pytest.mark.parametrize("way", ["up", "down"])
def test_who_answers_several_times_is_warned(way: str) -> None:
    with pytest.warns(
        udpping.AmplificationWarning, match=rf"reply 'upper', {way} 'duplicate=0.1.*' *\), so strang"
    ):
        udpping.Server("", 0, **{way: "duplicate=10%"})  # type: ignore[arg-type]


def test_nobody_is_warned_without_need() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        udpping.Server(port=0, reply="{message} OK")
        udpping.Server("", 0, reply="upper")
        udpping.Server("", 0, reply="{message}")
