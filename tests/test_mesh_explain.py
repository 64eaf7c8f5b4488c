"""What explains the losses of a mesh: the one at fault is named, and nobody else."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import udpping
from meshes import drawn, hosts, row, rows
from udpping import stats
from udpping._mesh._explain import explain
from udpping._mesh._frame import frame
from udpping._mesh._rows import PairRow
from udpping._mesh._worker import numbers

if TYPE_CHECKING:
    from meshes import Loss
    from udpping._mesh._finding import Finding

pytestmark = pytest.mark.untimed


def at_fault(found: list[Finding]) -> list[Finding]:
    """Return the findings that name a single cause."""
    return [each for each in found if each.kind not in {"none", "unheard"} and not each.instead]


def bad(host: int, loss: float, way: str = "both") -> Loss:
    def lost(a: int, b: int) -> float:
        return 0.001 + loss * ((a == host and way != "receives") or (b == host and way != "sends"))

    return lost


@pytest.mark.parametrize("count", [3, 4, 8, 20])
@pytest.mark.parametrize("way", ["sends", "receives", "both"])
def test_a_host_is_named_with_the_way_that_loses(count: int, way: str) -> None:
    rng = random.Random(f"{count} {way}")
    right = Counter[str]()
    for _ in range(40):
        host = rng.randrange(count)
        found = at_fault(explain(rows(rng, count, bad(host, 0.2, way))))
        right["host"] += [(each.kind, each.names) for each in found] == [("host", (f"h{host}",))]
        right["way"] += [each.way for each in found] == [way]
        right["inside"] += any(
            each.loss_low is not None
            and each.loss_high is not None
            and each.loss_low <= truth <= each.loss_high
            for each in found
            for truth in [0.201 if each.way != "both" else 1 - 0.799**2]
        )
    assert right["host"] >= 38, right
    assert right["way"] >= 38, right
    # An interval of 95 %.
    assert right["inside"] >= 33, right


def test_the_sentence_has_the_evidence() -> None:
    found = explain(rows(random.Random(1), 8, bad(2, 0.12, "receives"), pings=200))
    (only,) = found
    assert str(only) == (
        "host h2 loses 10.8 % of what it receives (95 %: 9.7 to 12.1 %), and 0 % of what it sends; without it"
        " the others lose 0.17 %"
    )
    assert only.p_value is not None
    assert only.p_value < 1e-9
    assert only.rest_loss is not None
    assert only.rest_loss < 0.003


def test_without_numbers_in_replies_the_way_is_not_told() -> None:
    (only,) = explain(rows(random.Random(2), 6, bad(2, 0.12, "receives"), numbered=False))
    assert (only.kind, only.names, only.way) == ("host", ("h2",), None)
    assert "on which way is not known, as replies are not numbered" in only.text


@pytest.mark.parametrize("peers", ["own", "others"])
def test_pings_of_one_side_alone_are_told_apart_from_the_network(peers: str) -> None:
    rng, every = random.Random(3), hosts(6)
    lossy = [
        row(0, a, b, sent=60, up=sum(drawn(rng, 60, 0.2 * (place == 2), 0)), down=0, numbered=False)
        for a in every
        for b in every
        if a != b
        for place in [every.index(a if peers == "own" else b)]
    ]
    (only,) = explain(lossy)
    assert (only.kind, only.names, only.pings) == ("host", ("h2",), peers)
    assert ("of its own pings" if peers == "own" else "of the pings sent to it") in only.text


@pytest.mark.parametrize("numbered", [True, False])
def test_a_pair_is_named_and_not_its_hosts(*, numbered: bool) -> None:
    rng, right = random.Random(4), 0
    for _ in range(30):
        found = at_fault(
            explain(rows(rng, 8, lambda a, b: 0.001 + 0.3 * ((a, b) == (1, 4)), numbered=numbered))
        )
        right += [(each.kind, set(each.names)) for each in found] == [("pair", {"h1", "h4"})]
        if numbered:
            assert all(each.names == ("h1", "h4") and each.way == "sends" for each in found)
    assert right >= 29


@pytest.mark.parametrize("count", [6, 12])
def test_a_rack_or_the_paths_between_two_are_named(count: int) -> None:
    rng = random.Random(5)
    (rack,) = explain(rows(rng, 3 * count, lambda a, b: 0.2 * ((a < count) != (b < count)), rack=count))
    assert (rack.kind, rack.names) == ("group", ("r0",))
    (between,) = explain(rows(rng, 3 * count, lambda a, b: 0.2 * (a < count <= b < 2 * count), rack=count))
    assert (between.kind, between.names, between.way) == ("groups", ("r0", "r1"), "sends")
    assert "from group r0 to group r1" in between.text


def test_what_a_rack_loses_within_is_said() -> None:
    (rack,) = explain(rows(random.Random(16), 18, lambda a, b: 0.2 * (a < 6 and b < 6), rack=6))
    assert (rack.kind, rack.names, rack.way) == ("group", ("r0",), None)
    assert "of pings are lost within group r0" in rack.text
    # One group of all hosts explains nothing.
    (pair,) = explain(rows(random.Random(8), 2, bad(1, 0.2), rack=2))
    assert pair.instead == ("host h0", "host h1")


def test_several_at_fault_are_all_named() -> None:
    loss: Loss = lambda a, b: 0.001 + 0.1 * (b == 3) + 0.3 * (a == 7) + 0.4 * ({a, b} == {10, 11})  # noqa: E731
    found = explain(rows(random.Random(6), 20, loss))
    assert {(each.kind, frozenset(each.names), each.way) for each in found} == {
        ("host", frozenset({"h7"}), "sends"),
        ("host", frozenset({"h3"}), "receives"),
        ("pair", frozenset({"h10", "h11"}), "both"),
    }


def test_a_dead_host_and_one_that_died_are_named() -> None:
    dead: Loss = lambda a, b: float(4 in (a, b))  # noqa: E731
    every = list(rows(random.Random(7), 6, dead))
    (only,) = explain(every)
    assert only.text == "host h4 answers nothing and gets no answer; without it the others lose 0 %"
    # What it measured is lost with it; the others still see that it does not answer.
    gone = [
        each._replace(sent=0, received=0, error="its process has ended") if each.source == "h4" else each
        for each in every
    ]
    (only,) = explain(gone)
    assert (only.names, only.lost) == (("h4",), 300)
    assert "it was not heard from: its process has ended" in only.text
    # Without a loss it is told all the same.
    silent = [each._replace(received=each.sent, lost_unknown=0) for each in gone]
    assert [(each.kind, each.names) for each in explain(silent)] == [("unheard", ("h4",))]


@pytest.mark.parametrize("numbered", [True, False])
def test_of_two_hosts_it_cannot_be_told_which_is_at_fault(*, numbered: bool) -> None:
    (only,) = explain(rows(random.Random(8), 2, bad(1, 0.2, "receives"), numbered=numbered))
    assert only.instead == ("host h0", "host h1")
    assert "whether that is the path between h0 and h1, host h0 or host h1 cannot be told" in only.text
    assert only.way == ("sends" if numbered else None)
    (none,) = explain(rows(random.Random(8), 2, lambda _a, _b: 0))
    assert none.text == "no host, pair or group stands out: 120 pings, none lost"


def test_of_two_racks_it_cannot_be_told_which_is_at_fault() -> None:
    (only,) = explain(rows(random.Random(9), 8, lambda a, b: 0.2 * (a < 4 <= b), rack=4))
    assert (only.kind, only.names, only.way) == ("groups", ("r0", "r1"), "sends")
    assert set(only.instead) == {"group r0", "group r1"}


def test_where_all_lose_alike_nothing_stands_out() -> None:
    (none,) = explain(rows(random.Random(10), 10, lambda _a, _b: 0.05))
    assert none.kind == "none"
    assert none.text.startswith("no host, pair or group stands out: 9.")
    assert [str(each) for each in explain([])] == ["nothing was measured"]


def test_of_a_sample_it_is_said_how_large_it_is() -> None:
    (none,) = explain(rows(random.Random(11), 20, lambda _a, _b: 0, peers=2))
    assert "among the 11 % of pairs that were measured" in none.text
    rng, right = random.Random(12), 0
    for _ in range(20):
        found = at_fault(explain(rows(rng, 120, bad(50, 0.2, "sends"), peers=4, pings=20)))
        right += [(each.names, each.way) for each in found] == [(("h50",), "sends")]
    assert right >= 19


def test_a_sample_in_which_a_host_met_one_other_alone_cannot_tell() -> None:
    met = rows(random.Random(15), 6, bad(1, 0.4))
    (only,) = explain(each for each in met if abs(int(each.source[1:]) - int(each.target[1:])) == 3)
    assert only.instead == ("host h1", "host h4")
    assert only.kind == "pair"


HEALTHY = [
    *((3, 0.01, 0), (4, 0.001, 0), (8, 0, 0), (8, 0.001, 0), (8, 0.02, 0), (8, 0.1, 0), (20, 0.001, 0)),
    *((20, 0.05, 0), (8, 0.001, 3), (8, 0.02, 5), (20, 0.01, 5)),
]
"""Hosts, loss, and the length of bursts."""


def test_in_healthy_meshes_nobody_is_named() -> None:
    rng, named, of = random.Random(13), Counter[str](), 0
    for count, loss, burst in HEALTHY * 12:
        numbered, rack = rng.random() < 0.5, rng.choice((0, 2, 4))
        mesh = rows(rng, count, lambda _a, _b, loss=loss: loss, burst=burst, numbered=numbered, rack=rack)  # type: ignore[misc]
        named.update({each.kind for each in at_fault(explain(mesh))})
        of += 1
    assert sum(named.values()) <= 0.01 * of, named


def test_bursts_of_few_pings_name_nobody() -> None:
    rng, named, of = random.Random(20), 0, 200
    for _ in range(of):
        loss, burst = rng.choice((0.002, 0.01, 0.05)), rng.uniform(2, 8)
        pings, count = rng.choice((20, 60)), rng.choice((3, 6, 9))
        mesh = rows(rng, count, lambda _a, _b, loss=loss: loss, burst=burst, pings=pings)  # type: ignore[misc]
        named += bool(at_fault(explain(mesh)))
    assert named <= 0.01 * of


@pytest.mark.parametrize("burst", [0, 2, 5])
@pytest.mark.parametrize("loss", [0.3, 1.0])
def test_a_path_that_loses_more_runs_or_longer_ones_is_named(burst: float, loss: float) -> None:
    rng, right = random.Random(21), 0
    for _ in range(30):
        found = at_fault(explain(rows(rng, 8, lambda a, b: loss if {a, b} == {1, 4} else 0.005, burst=burst)))
        right += [(each.kind, set(each.names)) for each in found] == [("pair", {"h1", "h4"})]
    assert right >= 29


def test_one_burst_is_no_proof_and_a_path_that_is_dead_is() -> None:
    every = hosts(6)

    def found(lost: int) -> list[Finding]:
        return at_fault(
            explain(
                row(0, a, b, sent=60, up=hit * lost, down=0, runs=int(hit))
                for a in every
                for b in every
                if a != b
                for hit in [{a, b} == {every[1], every[4]}]
            )
        )

    assert found(20) == []
    (only,) = found(60)
    assert (only.kind, set(only.names)) == ("pair", {"h1", "h4"})


def test_runs_of_losses_are_counted_where_they_are_measured() -> None:
    run = udpping.sim.ping(count=12, loss="pattern:..xx.xxx...x")
    names = ("rtt_ns", "copies", "sent_ns", "sent_wall_ns")
    answered = [row.status == "reply" for row in run]
    table: dict[str, object] = {name: run[name].to_list() for name in names}
    for name, column in (("server_seq", "seq"), ("server_recv_ns", "sent_ns"), ("server_sent_ns", "sent_ns")):
        pairs = zip(run[column].to_list(), answered, strict=True)
        table[name] = [its if came else None for its, came in pairs]
    facts = dict(zip(PairRow._fields[6:], numbers(run.summary, stats.Pings(table)), strict=False))
    assert (facts["sent"], facts["received"], facts["loss_runs"]) == (12, 6, 3)


def test_a_table_gives_the_same_as_its_rows() -> None:
    every = list(rows(random.Random(14), 12, bad(3, 0.1), rounds=2, rack=4))
    assert explain(frame(every)) == explain(every)
