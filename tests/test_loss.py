"""What a server loses: every model, seen through its log and through a client; and CPython's own draws."""

from __future__ import annotations

import pickle
import random
import socket
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
import udpping
from common import log_marks, marks, send_all
from udpping import loss

if TYPE_CHECKING:
    from udpping.loss import Loss

# Which of 40 packets a server in Python loses after random.seed(n), drawing randint(0, 10) or randint(1, 10).
FROM_0_TO_10 = {
    0: "..x........x.x.xx....x.xx....x.....x....",
    1: "x.x.x.....xx.x...x..x.x.xxx..x..x.x.x...",
    42: ".xx.xxxx..x..xxxxx..x.x...x...xx...xx.xx",
    123: "x.x..xx.....xxx...xxx.x..xx..xxx.xxx....",
}
FROM_1_TO_10 = {
    0: "..x..........x.xx....x.xx...x..........x",
    1: "x.x.x.....x.x...x....x.xxx.x...x........",
    42: "xx...xx.x..xxx....x........xx...x..xx.x.",
    123: "x.x..xx.....xxx....xx.x..xx..xxxxxx.....",
}
FORMS: list[tuple[str | float | Fraction | Loss, str]] = [
    (0, "............"),
    (1, "xxxxxxxxxxxx"),
    ("0%", "............"),
    ("100%", "xxxxxxxxxxxx"),
    (Fraction(1, 1), "xxxxxxxxxxxx"),
    ("pattern:.xx.", ".xx..xx..xx."),
    (loss.Pattern("x..."), "x...x...x..."),
    ("every:5", "....x....x.."),
    (loss.Every(1), "xxxxxxxxxxxx"),
    ("list:3,7", "..x...x....."),
    (loss.List([12, 1, 1]), "x..........x"),
    ("trace:.x..x", ".x..x......."),
    (loss.Trace([True, False]), "x..........."),
    ("trace-repeat:.x..x", ".x..x.x..x.x"),
    (loss.Trace([True, False], repeat=True), "x.x.x.x.x.x."),
]


@pytest.mark.parametrize(("form", "expected"), FORMS, ids=str)
def test_each_form_loses_the_same_in_log_client_and_simulation(
    form: str | float | Fraction | Loss, expected: str
) -> None:
    with udpping.Server(port=0, loss=form, record=True) as server:
        run = udpping.ping(*server.address, count=12, interval=0.002, timeout=2, linger=0)
    assert log_marks(server) == expected
    assert marks(run) == expected
    assert marks(udpping.sim.ping(count=12, loss=form)) == expected
    assert server.counters.dropped == expected.count("x")
    assert [row.reason for row in server.log] == ["loss" if mark == "x" else None for mark in expected]


@pytest.mark.parametrize(
    ("form", "p"), [(0.3, 0.3), ("30%", 0.3), ("4/11", 4 / 11), (Fraction(4, 11), 4 / 11)], ids=str
)
def test_a_probability_holds_in_the_long_run(form: str | float | Fraction, p: float) -> None:
    summary = udpping.sim.ping(count=200_000, loss=form, seed=5).summary
    assert summary.loss is not None
    assert abs(summary.loss - p) < 0.006  # more than five standard deviations


def test_equal_probabilities_lose_equal_packets_however_they_are_written() -> None:
    forms: list[str | float | Loss] = ["30%", 0.3, "3/10", "bernoulli:0.3", loss.Bernoulli("30%")]
    seen = {marks(udpping.sim.ping(count=500, loss=form, seed=1)) for form in forms}
    assert len(seen) == 1


BURSTS: list[tuple[Loss, str]] = [
    (loss.Burst("5%", 3), "burst:0.05,3"),
    (loss.Burst(Fraction(4, 11), Fraction(14, 3)), "burst:4/11,14/3"),
    (loss.Burst(0.5, 4.66), "burst:0.5,4.66"),
    (loss.Burst("4/11", "2"), "burst:4/11,2"),
    (loss.GilbertElliott(0.01, 0.25), "gilbert-elliott:0.01,0.25"),
    (loss.GilbertElliott("1%", 1, loss_bad="50%"), "gilbert-elliott:0.01,1,loss_bad=0.5"),
    (
        loss.GilbertElliott(Fraction(1, 3), "1/4", loss_good=1e-05),
        "gilbert-elliott:1/3,0.25,loss_good=0.00001",
    ),
]


@pytest.mark.parametrize(("model", "text"), BURSTS, ids=str)
def test_bursts_have_one_text_and_lose_the_same_everywhere(model: Loss, text: str) -> None:
    assert str(model) == text
    assert loss.Loss(text) == model
    with udpping.Server(port=0, loss=model, seed=3, record=True) as server:
        run = udpping.ping(*server.address, count=100, interval=0.001, timeout=2, linger=0)
    assert server.loss == text
    assert log_marks(server) == marks(run) == marks(udpping.sim.ping(count=100, loss=text, seed=3))


@pytest.mark.parametrize(
    ("share", "mean_run", "expected"),
    [
        ("80%", 3, "which is 4, or a loss of at most mean_run / (mean_run + 1), which is 0.75"),
        ("5%", 0.5, "a number from 1 to 2^64"),
        (1, 5, "a loss below 1"),
        (1.5, 5, "a probability from 0 to 1"),
        (0.1, True, "a number from 1 to 2^64"),
        (0.1, "3,4", "a number from 1 to 2^64"),
    ],
)
def test_pairs_that_cannot_be_are_refused_with_those_that_can(
    share: float | str, mean_run: float | str, expected: str
) -> None:
    with pytest.raises(udpping.ConfigError) as caught:
        loss.Burst(share, mean_run)
    assert expected in str(caught.value)
    loss.Burst("80%", 4)
    loss.Burst("75%", 3)


def test_bursts_have_their_loss_and_their_runs() -> None:
    run = udpping.sim.ping(count=400_000, loss=loss.Burst("5%", 3), seed=6)
    runs = [len(each) for each in marks(run).replace(".", " ").split()]
    assert run.summary.loss == pytest.approx(0.05, abs=0.003)
    assert sum(runs) / len(runs) == pytest.approx(3, rel=0.04)
    # 2 of 3 runs go on, whatever their length is already.
    for length in range(1, 8):
        longer = sum(each > length for each in runs) / sum(each >= length for each in runs)
        assert longer == pytest.approx(2 / 3, abs=0.06), length
    # And the first packet is lost as often as any.
    first = sum(
        marks(udpping.sim.ping(count=1, loss="burst:30%,50", seed=seed)) == "x" for seed in range(2_000)
    )
    assert first / 2_000 == pytest.approx(0.3, abs=0.05)


def test_clients_on_one_channel_lose_together() -> None:
    expected = marks(udpping.sim.ping(count=60, loss="burst:40%,8", seed=2))
    with udpping.Server(port=0, loss="burst:40%,8", seed=2, scope="shared", record=True) as server:
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for number in range(60):
            send_all(server, [b"any"], clients[number % 3])
        for client in clients:
            client.close()
        assert "".join("x" if row.verdict == "drop" else "." for row in server.log) == expected


def test_detectors_and_monitors_meet_bursts() -> None:
    """A fixed detector of 3 intervals is wrong at each run of 3 losses or more."""
    days, (p, r) = 5, (0.05 / (3 * 0.95), 1 / 3)
    (fixed,) = udpping.compare_detectors(loss.Burst("5%", 3), detectors=["fixed:3"], days=days, seed=4)
    begins = 86_400 * 0.95 * p
    assert fixed.mistakes_per_day == pytest.approx(begins * (1 - r) ** 2, rel=0.1)
    seen = udpping.sim.heartbeat(
        1, duration=86_400 * days, loss=loss.Burst("5%", 3), detector="fixed:3", seed=4
    )
    downs = sum(event.event == "down" for event in seen.events)
    assert downs / days == pytest.approx(begins * (1 - r) ** 2, rel=0.1)
    (peer,) = seen.peers
    assert peer.lost / peer.loss_runs == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize(
    ("low", "vectors"), [(0, FROM_0_TO_10), (1, FROM_1_TO_10)], ids=["0 to 10", "1 to 10"]
)
def test_a_real_server_loses_what_the_course_s_server_loses(low: int, vectors: dict[int, str]) -> None:
    for seed, expected in vectors.items():
        model = loss.RandInt(low, 10, below=4)
        with udpping.Server(port=0, loss=model, seed=seed, record=True) as server:
            send_all(server, [b"any"] * len(expected))
            assert log_marks(server) == expected, seed


def seeds() -> list[int]:
    chooser = random.Random(20_260_101)
    small = list(range(-400, 400))
    edges = [
        sign * (2**power + step) for power in (31, 32, 63, 64, 128) for step in (-1, 0, 1) for sign in (1, -1)
    ]
    large = [chooser.choice((1, -1)) * chooser.getrandbits(chooser.randrange(65, 2_000)) for _ in range(170)]
    return small + edges + large


def test_randint_equals_this_interpreter_for_a_thousand_seeds() -> None:
    """Python promises no `randint` across versions, so the running interpreter is asked, not a table."""
    assert len(seeds()) == 1_000
    model = loss.RandInt(0, 10, below=4)
    for seed in seeds():
        random.seed(seed)
        expected = "".join("x" if random.randint(0, 10) < 4 else "." for _ in range(64))
        assert marks(udpping.sim.ping(count=64, loss=model, seed=seed)) == expected, seed


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (1, 2), (-5, 5), (0, 255), (0, 2**31), (0, 2**40), (-(2**62), 2**62)]
)
def test_each_draw_of_randint_is_cpython_s(low: int, high: int) -> None:
    """A draw shows in what is lost: each bound is met or not, for bounds of all quantiles."""
    width = high - low + 1
    for step in range(1, 8):
        below = low + width * step // 8
        random.seed(7)
        expected = "".join("x" if random.randint(low, high) < below else "." for _ in range(1_000))
        assert marks(udpping.sim.ping(count=1_000, loss=loss.RandInt(low, high, below), seed=7)) == expected


def test_randint_stays_cpython_s_after_the_generator_has_been_refilled() -> None:
    random.seed(99)
    expected = "".join("x" if random.randint(0, 10) < 4 else "." for _ in range(20_000))
    assert marks(udpping.sim.ping(count=20_000, loss="randint:0,10,4", seed=99)) == expected


def test_randint_counts_all_clients_together_and_with_scope_client_each_alone() -> None:
    expected = FROM_0_TO_10[42][:12]
    for scope, drawn in ((None, expected), ("shared", expected), ("client", expected[:6])):
        with udpping.Server(port=0, loss="randint:0,10,4", seed=42, scope=scope, record=True) as server:
            clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            for _ in range(6):
                for client in clients:
                    send_all(server, [b"any"], client)
            for client in clients:
                client.close()
            in_order = "".join("x" if row.verdict == "drop" else "." for row in server.log)
            each = [log_marks(server, client) for client in (0, 1)]
        if scope == "client":
            assert each == [drawn, drawn]
        else:
            assert in_order == drawn


def test_with_scope_same_every_client_loses_the_same() -> None:
    for model in ("30%", "burst:30%,3", "randint:0,10,4"):
        expected = marks(udpping.sim.ping(count=20, loss=model, seed=5, scope="client"))
        with udpping.Server(port=0, loss=model, seed=5, scope="same", workers=2, record=True) as server:
            assert server.scope == "same"
            for _ in range(3):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    send_all(server, [b"any"] * 20, client)
            assert [log_marks(server, client) for client in range(3)] == [expected] * 3


def test_a_trace_of_a_run_is_that_run_again() -> None:
    seen = udpping.sim.ping(count=300, loss="4/11", seed=8)
    assert marks(udpping.sim.ping(count=300, loss=loss.Trace(seen))) == marks(seen)


def test_a_trace_needs_a_run_with_one_target() -> None:
    with udpping.Server(port=0) as one, udpping.Server(port=0) as two:
        run = udpping.ping_many([one.address, two.address], count=1)
    with pytest.raises(udpping.ConfigError, match="2 targets"):
        loss.Trace(run)


@pytest.mark.parametrize(
    "model",
    [
        loss.Bernoulli("4/11"),
        loss.Burst("5%", 3),
        loss.GilbertElliott(0.01, "1/3", loss_bad=0.5),
        loss.Correlated("5%", 0.9),
        loss.Pattern(".x"),
        loss.Every(3),
        loss.List([1, 2]),
        loss.Trace([True]),
        loss.RandInt(0, 10, below=4),
    ],
    ids=str,
)
def test_a_model_is_a_value(model: Loss) -> None:
    """Its text makes it anew, it survives pickling, and a server takes either."""
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301 - our own bytes
    assert hash(model) == hash(pickle.loads(pickle.dumps(model)))  # noqa: S301
    server = udpping.Server(port=0, loss=str(model))
    assert server.loss == udpping.Server(port=0, loss=model).loss
    assert udpping.Server(port=0, loss=server.loss).loss == server.loss


BAD: list[str | float] = [
    *(-0.1, 1.5, 2, float("nan"), float("inf"), True),
    *("x", "", "4/0", "12/11", "101%", "pattern:", "pattern:.y", "every:0", "list:0", "list:a", "trace:-"),
    *("randint:4,1,2", "randint:0,10", "burst:3", "burst:80%,3", "burst:5%,0.5", "burst:1,9"),
    *("gilbert-elliott:1%", "gilbert-elliott:0,0", "correlated:5%,1", "gilbert-elliott:1%,1%,loss_bad=2"),
]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_loss_is_one_clear_line(bad: str | float) -> None:
    with pytest.raises(udpping.ConfigError) as caught:
        udpping.Server(port=0, loss=bad)
    text = str(caught.value)
    assert "\n" not in text
    assert "loss" in text
    assert "expected" in text
