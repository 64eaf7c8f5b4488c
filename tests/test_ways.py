"""Which way pings were lost, one-way delays and the other clock: what a run and `udpping ping` say of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import udpping
from common import call
from udpping import stats

DATA = Path(__file__).parent / "data"
HERE = "127.0.0.1"
STAMP: dict[str, Any] = {"protocol": "stamp", "interval": "2ms", "timeout": "2s"}


def test_the_ways_of_a_run_are_those_of_the_statistics() -> None:
    with (
        udpping.Reflector(port=0) as reflector,
        udpping.Relay(reflector, up="loss=list:3,7; delay=20ms", down="loss=list:5") as relay,
    ):
        run = udpping.ping(relay, count=40, **STAMP)
    (ways,) = run.ways
    assert ways.as_dict() == udpping.load(run.to_json()).ways[0].as_dict()
    lost, delays, clock = stats.direction(run), stats.one_way(run), stats.clock(run)
    assert (ways.target, ways.sent, ways.partial) == (run.targets[0], 40, False)
    assert (ways.lost, ways.lost_up, ways.lost_down, ways.lost_unknown) == (3, 2, 1, 0)
    assert (lost.lost_up, lost.lost_down, ways.restarts) == (2, 1, lost.restarts)
    assert (ways.loss_up_low, ways.loss_up_high) == stats.wilson(2, 40)
    assert (ways.loss_down_low, ways.loss_down_high) == stats.wilson(1, 38)
    assert (ways.up_min_ns, ways.down_median_ns) == (delays.up.min_ns, delays.down.median_ns)
    assert (ways.up_p99_ns, ways.owd_error_ns) == (delays.up.quantiles_ns[0.99], delays.error_ns)
    assert (ways.offset_low_ns, ways.offset_high_ns) == (clock.offset_low_ns, clock.offset_high_ns)
    assert (ways.skew_low_ppm, ways.clock_sets) == (clock.skew_low_ppm, len(clock.steps))
    lines = ways.text.splitlines()
    assert lines[0].startswith("lost up 2 of 40 (5.0 %; 95 % interval 1.4 to 16.5 %), down 1 of 38 (2.6 %; ")
    assert [line.partition(" = ")[0] for line in lines[1:3]] == [
        "up min/median/p95/p99",
        "down min/median/p95/p99",
    ]
    assert lines[3].startswith("clock there: ahead by ")
    assert ways.text in repr(run)
    assert lines[0] in run._repr_html_()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.untimed
def test_what_is_unknown_is_in_the_intervals_of_both_ways() -> None:
    with (
        udpping.Reflector(port=0, stateless=True) as reflector,
        udpping.Relay(reflector, up="loss=list:2", down="loss=list:3") as relay,
    ):
        (ways,) = udpping.ping(relay, count=10, **STAMP).ways
    assert (ways.lost_up, ways.lost_down, ways.lost_unknown) == (0, 0, 2)
    interval = stats.wilson(0, 10), stats.wilson(2, 10)
    assert interval[0] is not None
    assert interval[1] is not None
    for way in ("up", "down"):
        assert getattr(ways, f"loss_{way}_low") == interval[0][0]
        assert getattr(ways, f"loss_{way}_high") == interval[1][1]
    each = "0 to 2 of 10 (95 % interval 0.0 to 51.0 %)"
    assert ways.text.splitlines()[0] == f"lost up {each}, down {each}, 2 on an unknown way"


@pytest.mark.untimed
def test_a_run_without_an_end_says_that_its_ways_are_those_of_the_latest_pings() -> None:
    with (
        udpping.Reflector(port=0) as reflector,
        udpping.Pinger(reflector, count=None, keep=16, protocol="stamp", interval="1ms") as pinger,
    ):
        # Rows are kept in chunks.
        while len(run := pinger.so_far()) == run.summary.sent:
            next(pinger)
        (ways,) = run.ways
    assert ways.partial
    # After a standstill some of the latest have no reply yet.
    assert 0 < ways.sent <= len(run) < run.summary.sent
    assert ways.text.startswith(f"of the latest {ways.sent:,} pings:\nlost up 0 of")


@pytest.mark.untimed
def test_who_tells_no_times_has_no_ways_and_who_numbers_no_replies_no_losses() -> None:
    assert udpping.sim.ping(count=3).ways == ()
    with udpping.Reflector(port=0) as one, udpping.Reflector(port=0) as two, udpping.Server(port=0) as server:
        assert udpping.ping(server, count=1, timeout=5).ways == ()
        run = udpping.ping_many([one, two], count=3, **STAMP)
    assert [ways.target for ways in run.ways] == list(run.targets)
    assert repr(run).count("clock there") == len(run.targets)
    (ways,) = udpping.load(DATA / "irtt.json").ways
    assert (ways.lost, ways.lost_up, ways.loss_up_low, ways.restarts) == (None, None, None, None)
    assert "lost" not in ways.text
    assert "up min/median/p95/p99" in ways.text


def test_the_command_prints_a_line_each_and_a_record() -> None:
    with udpping.Reflector(port=0) as reflector, udpping.Relay(reflector, down="loss=list:3") as relay:
        target = f"{HERE}:{relay.address[1]}"
        words = ("ping", "--stamp", target, "-c", 6, "-i", "10ms", "-W", "2s")
        lines = call(*words).stdout.splitlines()[-4:]
        assert lines[0].startswith(
            "lost up 0 of 6 (0.0 %; 95 % interval 0.0 to 39.0 %), down 1 of 6 (16.7 %; "
        )
        assert [line.split()[0] for line in lines] == ["lost", "up", "down", "clock"]
        several = call(*words, f"{HERE}:{reflector.address[1]}").stdout
        assert several.endswith("\n")
        assert several.count("clock there") == 2
    with udpping.Reflector(port=0) as reflector, udpping.Relay(reflector, down="loss=list:3") as relay:
        target = f"{HERE}:{relay.address[1]}"
        output = call("ping", "--stamp", target, "-c", 6, "-i", "10ms", "-W", "2s", "--json").stdout
    record = json.loads(output.splitlines()[-1])
    assert (record.pop("type"), record.pop("schema")) == ("ways", 1)
    assert (record["lost_up"], record["lost_down"]) == (0, 1)
    assert udpping.load(output).ways[0].as_dict() == record
