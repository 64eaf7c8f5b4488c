"""Which way pings were lost, from the numbers of STAMP reflectors: through a relay that tells the truth."""

from typing import Any

import pytest
import udpping
from udpping import stats


def lost_in(relay: udpping.Relay, direction: str) -> int:
    return sum((row.direction, row.verdict) == (direction, "drop") for row in relay.log)


def pinged(relay: udpping.Relay, count: int) -> udpping.Run:
    return udpping.ping(relay, protocol="stamp", count=count, interval="2ms", timeout=3)


@pytest.mark.untimed
def test_all_is_known_between_the_ends() -> None:
    up, down = "loss=list:3,7,8", "loss=list:5,6; delay=uniform:0ms,30ms"
    with (
        udpping.Reflector(port=0) as reflector,
        udpping.Relay(reflector, up=up, down=down, record=True) as relay,
    ):
        run = pinged(relay, 40)
        assert (lost_in(relay, "up"), lost_in(relay, "down")) == (3, 2)
    found = stats.direction(run)
    assert found.as_dict() == {
        "sent": 40,
        "lost": 5,
        "lost_up": 3,
        "lost_down": 2,
        "unknown": 0,
        "restarts": 0,
    }
    # Ping 3 was between two replies with numbers that follow each other; 6 to 9 were lost on both ways.
    assert {row.seq: row.lost_on for row in run if row.lost_on} == {
        3: "up",
        6: "unknown",
        7: "unknown",
        8: "unknown",
        9: "unknown",
    }
    # Every kind of table, and every kind of file, says the same.
    for text in (run.to_csv(), run.to_json()):
        assert stats.direction(udpping.load(text)) == found
    columns = {name: run[name].to_list() for name in run.column_names}
    assert stats.direction(columns) == stats.direction(stats.Pings(run)) == found
    assert stats.direction([run, run]).as_dict() == {
        name: 2 * value for name, value in found.as_dict().items()
    }


@pytest.mark.untimed
@pytest.mark.parametrize("copies", ["", "; duplicate=10%"])
def test_the_log_of_a_relay_is_inside(copies: str) -> None:
    up, down = f"loss=10%{copies}; delay=uniform:0ms,20ms", f"loss=20%{copies}; delay=uniform:0ms,20ms"
    with (
        udpping.Reflector(port=0) as reflector,
        udpping.Relay(reflector, up=up, down=down, record=True) as relay,
    ):
        run = pinged(relay, 300)
        ways = {way: lost_in(relay, way) for way in ("up", "down")}
    found = stats.direction(run)
    assert found.lost == sum(row.copies == 0 for row in run) > 0
    if not copies:
        assert found.lost == sum(ways.values())
        assert found.lost_down <= ways["down"] <= found.lost_down + found.unknown
        assert found.lost_down > 0
    assert found.lost_up <= ways["up"] <= found.lost_up + found.unknown


@pytest.mark.untimed
def test_a_stateless_reflector_says_nothing() -> None:
    with (
        udpping.Reflector(port=0, stateless=True) as reflector,
        udpping.Relay(reflector, up="loss=list:2", down="loss=list:3") as relay,
    ):
        run = pinged(relay, 6)
    assert [row.server_seq for row in run] == [1, None, 3, None, 5, 6]
    found = stats.direction(run)
    assert (found.lost, found.lost_up, found.lost_down, found.unknown) == (2, 0, 0, 2)


@pytest.mark.untimed
def test_losses_of_one_way_alone_are_known() -> None:
    with udpping.Reflector(port=0) as reflector:
        for up, down, found in (("list:3", "0", (1, 0)), ("0", "list:3,4", (0, 2))):
            with udpping.Relay(reflector, up=f"loss={up}", down=f"loss={down}") as relay:
                ways = stats.direction(pinged(relay, 6))
            assert (ways.lost_up, ways.lost_down, ways.unknown) == (*found, 0)


@pytest.mark.untimed
def test_without_a_reply_all_is_unknown() -> None:
    with udpping.Reflector(port=0) as reflector, udpping.Relay(reflector, up="loss=100%") as relay:
        run = udpping.ping(relay, protocol="stamp", count=3, interval="10ms", timeout=0.1)
    found = stats.direction(run)
    assert (found.sent, found.lost, found.unknown) == (3, 3, 3)
    assert stats.clock(run).count == stats.one_way(run).up.count == 0


def test_what_a_table_lacks_is_named() -> None:
    table: dict[str, list[Any]] = {
        "rtt_ns": [5, None, 5],
        "copies": [1, 0, 1],
        "server_seq": [0, None, 2],
        "server_sent_ns": [1, None, 2],
    }
    assert stats.direction(table).unknown == 1
    assert stats.direction(table, stateful=True).lost_down == 1
    for name in ("copies", "server_seq", "server_sent_ns"):
        with pytest.raises(udpping.ConfigError, match=f"without {name}"):
            stats.direction({key: values for key, values in table.items() if key != name})
    with pytest.raises(udpping.ConfigError, match="stateful"):
        stats.direction(table, stateful=1)  # type: ignore[arg-type]
    with pytest.raises(udpping.ConfigError, match="without server_seq"):
        stats.direction(udpping.sim.ping(count=3, seed=1))


def test_results_print() -> None:
    empty: dict[str, list[Any]] = {"rtt_ns": [], "copies": [], "server_seq": [], "server_sent_ns": []}
    assert "lost_up" in repr(stats.direction(empty))
