"""The lossy server on real sockets: what it answers, what it counts and what it logs."""

from __future__ import annotations

import random
import struct
import threading
import time

import pytest
import udpping
import udpping._services.server
from common import ask, belongings, log_marks, marks, send_all, udp_socket, wait_until

LOG_COLUMNS = [
    "recv_ns",
    "recv_wall_ns",
    "client",
    "client_index",
    "number",
    "seq",
    "verdict",
    "reason",
    "delay_ns",
    "direction",
    "bytes",
    "reply_bytes",
    "copies",
    "replies",
    "damage",
]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"Ping 1 1726406736.2412975", b"PING 1 1726406736.2412975"),
        (b"Ping 5 Fri Sep 20 13:12:19 2024", b"PING 5 FRI SEP 20 13:12:19 2024"),
        (b"", b""),
        (b"\xff\xfe a\x00b", b"\xff\xfe A\x00B"),
        ("é ß ÿ".encode(), "é ß ÿ".encode()),
        (bytes(range(256)), bytes(range(256)).upper()),
    ],
    ids=["ping", "ctime", "empty", "not text", "not ASCII", "all bytes"],
)
def test_upper_is_python_s_bytes_upper_and_same_is_the_same(request_: bytes, answer: bytes) -> None:
    with udpping.Server(port=0) as upper, udpping.Server(port=0, reply="same") as same:
        assert ask(upper, request_) == answer
        assert ask(same, request_) == request_


@pytest.mark.parametrize(
    ("template", "request_", "answer"),
    [
        ("pong", b"anything", b"pong"),
        ("pong {seq} {time}", b"Ping 4 1700000000.5", b"pong 4 1700000000.5"),
        ("{seq} {time}", b"1\tTue Nov 14 22:13:20 2023", b"1 1700000000.0"),
        ("{message} OK", b"Ping 4", b"Ping 4 OK"),
        ("> {upper}\n", b"Ping 4", b"> PING 4\n"),
        ("{{{seq}}}", b"Ping 4 1.0", b"{4}"),
        ("{seq} {time} {diff:.6f}", b"no numbers", b"? ? ?"),
        ("{seq} {time} {diff}", b"\xff\xfe", b"? ? ?"),
    ],
)
def test_a_template_is_filled_in(template: str, request_: bytes, answer: bytes) -> None:
    with udpping.Server(port=0, reply=template) as server:
        assert ask(server, request_) == answer


def test_now_and_diff_are_seconds_as_python_counts_them() -> None:
    with udpping.Server(port=0, reply="{now} {diff} {diff:.6f}") as server:
        before = time.time()
        now, diff, fixed = ask(server, f"Ping 1 {before - 100}".encode()).decode().split()
        after = time.time()
    assert before - 0.01 <= float(now) <= after + 0.01
    assert now == repr(float(now))
    assert diff == repr(float(diff))
    assert 99.9 <= float(diff) <= 100 + (after - before) + 0.1
    assert fixed == f"{float(diff):.6f}"


def test_the_largest_datagram_is_answered_whole() -> None:
    payload = random.Random(1).randbytes(65_507)
    with udpping.Server(port=0, reply="same") as server:
        assert ask(server, payload) == payload


def test_no_datagram_stops_it() -> None:
    """2,000 datagrams of seeded random bytes, of every length up to 2 KB, are all received and answered."""
    noise = random.Random(2)
    with (
        udpping.Server(port=0, reply="{seq} {time} {diff} {upper}", record=True) as server,
        udp_socket() as own,
    ):
        for _ in range(2_000):
            own.sendto(noise.randbytes(noise.randrange(2_048)), server.address)
            own.recv(65_535)
        assert ask(server, b"Ping 1 1700000000.0").startswith(b"1 1700000000.0 ")
        wait_until(lambda: server.counters.answered == 2_001)
    assert server.counters.received == 2_001
    assert server.counters.errors == 0
    assert server.running is False


def test_the_seed_repeats_what_is_lost_and_another_seed_does_not() -> None:
    def lost(seed: int) -> str:
        with udpping.Server(port=0, loss=0.5, seed=seed, record=True) as server:
            send_all(server, [b"x"] * 64)
            return log_marks(server)

    assert lost(1) == lost(1)
    assert lost(1) != lost(2)
    assert lost(-1) != lost(1)
    assert lost(2**70) == lost(2**70)


def test_what_a_client_loses_does_not_depend_on_how_clients_take_turns() -> None:
    """The same three clients in the order of their first appearance, then interleaved at random."""

    def lost(turns: list[int]) -> list[str]:
        clients = [udp_socket() for _ in range(3)]
        with udpping.Server(port=0, loss="4/11", seed=6, record=True) as server:
            for turn in turns:
                send_all(server, [b"x"], clients[turn])
            for each in clients:
                each.close()
            assert server.counters.clients == 3
            return [log_marks(server, index) for index in range(3)]

    one_by_one = [0] * 30 + [1] * 30 + [2] * 30
    mixed = one_by_one[:]
    random.Random(3).shuffle(mixed)
    mixed = [0, 1, 2, *mixed]
    assert [len(each) for each in lost(mixed)] == [31, 31, 31]
    assert [each[:30] for each in lost(mixed)] == lost(one_by_one)
    assert len(set(lost(one_by_one))) == 3


@pytest.mark.parametrize("model", ["4/11", "randint:0,10,4"])
def test_without_a_seed_it_tells_the_one_that_repeats_it(model: str) -> None:
    with udpping.Server(port=0, loss=model, record=True) as first:
        send_all(first, [b"x"] * 50)
    with udpping.Server(port=0, loss=model, seed=first.seed, record=True) as second:
        send_all(second, [b"x"] * 50)
    assert log_marks(first) == log_marks(second)
    assert first.seed == second.seed
    assert first.seed != udpping.Server(port=0).seed
    if model.startswith("randint"):
        random.seed(first.seed)
        assert log_marks(first) == "".join("x" if random.randint(0, 10) < 4 else "." for _ in range(50))


@pytest.mark.parametrize("model", ["4/11", "pattern:.xx.", "randint:0,10,4"])
@pytest.mark.parametrize("delay", ["1ms", "uniform:0ms,2ms", "exponential:1ms"])
def test_switching_delay_on_never_changes_which_packets_are_lost(model: str, delay: str) -> None:
    with (
        udpping.Server(port=0, loss=model, seed=11, record=True) as plain,
        udpping.Server(port=0, loss=model, delay=delay, seed=11, record=True) as delayed,
    ):
        send_all(plain, [b"x"] * 40)
        send_all(delayed, [b"x"] * 40)
        wait_until(lambda: delayed.counters.waiting == 0)
    assert log_marks(plain) == log_marks(delayed)
    assert delayed.counters.delayed > 0 == plain.counters.delayed


def test_the_counters_add_up() -> None:
    with udpping.Server(port=0, loss="pattern:.xx.", delay="20ms") as server:
        send_all(server, [b"x"] * 20)
        wait_until(lambda: server.counters.answered == 10)
        counters = server.counters
    assert (counters.received, counters.answered, counters.dropped) == (20, 10, 10)
    assert (counters.delayed, counters.waiting, counters.errors, counters.clients) == (10, 0, 0, 1)
    assert (counters.unlogged, counters.kernel_drops) == (0, 0)
    assert counters.as_dict()["dropped"] == 10
    assert repr(counters).startswith("20 received, 10 answered, 10 dropped on purpose")


def test_a_row_of_the_log_says_everything_about_its_datagram() -> None:
    with udpping.Server(port=0, loss="list:2", delay="5ms", record=True) as server, udp_socket() as own:
        before = time.time_ns()
        send_all(server, [b"Ping 7 1700000000.0", b"Ping 8 1700000000.0", b"\xff"], own)
        name = f"127.0.0.1:{own.getsockname()[1]}"
        rows = list(server.log)
    assert server.log.column_names == LOG_COLUMNS == list(udpping.LogRow._fields)
    assert [row.client for row in rows] == [name] * 3
    assert [row.number for row in rows] == [1, 2, 3]
    assert [row.seq for row in rows] == [7, 8, None]
    assert [row.verdict for row in rows] == ["answer", "drop", "answer"]
    assert [row.reason for row in rows] == [None, "loss", None]
    assert [row.delay_ns for row in rows] == [5_000_000, 0, 5_000_000]
    assert [row.recv_ns for row in rows] == sorted(row.recv_ns for row in rows)
    assert all(before - 10**7 <= row.recv_wall_ns <= time.time_ns() + 10**7 for row in rows)
    assert server.log.row(-1) == rows[-1]


def test_the_log_agrees_with_what_the_client_saw() -> None:
    with udpping.Server(port=0, loss=0.4, seed=9, record=True) as server:
        run = udpping.ping(*server.address, count=60, interval=0.002, timeout=2)
    assert marks(run) == log_marks(server)
    assert [row.seq for row in server.log] == [row.seq for row in run]


def test_without_record_nothing_is_logged() -> None:
    with udpping.Server(port=0) as server:
        send_all(server, [b"x"] * 3)
    assert len(server.log) == 0
    assert server.counters.unlogged == 0  # a log that nobody asked for misses nothing


def test_a_full_log_counts_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert udpping._services.server.LOG_ROWS == 1_000_000
    monkeypatch.setattr(udpping._services.server, "LOG_ROWS", 5)
    with udpping.Server(port=0, loss="every:7", record=True) as server:
        send_all(server, [b"x"] * 8)
    assert [row.number for row in server.log] == [1, 2, 3, 4, 5]
    assert server.counters.unlogged == 3
    assert server.counters.dropped == 1


def test_a_delayed_reply_holds_up_nobody() -> None:
    """Replies leave by their own time: the delays of one burst overlap, and they overtake one another."""
    with udpping.Server(port=0, delay="uniform:0ms,200ms", seed=3) as server, udp_socket() as own:
        began = time.monotonic()
        for number in range(200):
            own.sendto(str(number).encode(), server.address)
        answers = [int(own.recv(100)) for _ in range(200)]
        took = time.monotonic() - began
    assert sorted(answers) == list(range(200))
    assert answers != sorted(answers)
    assert took < 10  # one after another they would take 20 seconds


def test_stop_discards_what_is_held_back() -> None:
    with udpping.Server(port=0, delay="60s") as server:
        send_all(server, [b"x"] * 3)
        assert server.counters.waiting == 3
    assert server.counters.answered == 0


def test_more_than_can_wait_is_an_error_and_logged_as_full() -> None:
    """Replies that wait take 64 MiB at most. What finds no room is not dropped on purpose."""
    room = 64 * 2**20 // 65_000
    with udpping.Server(port=0, delay="60s", reply="same", record=True) as server:
        send_all(server, [bytes(65_000)] * (room + 50))
        counters = server.counters
    assert (counters.received, counters.waiting, counters.errors) == (room + 50, room, 50)
    assert (counters.answered, counters.dropped) == (0, 0)
    told = [(row.verdict, row.reason) for row in server.log]
    assert told == [("answer", None)] * room + [("error", "full")] * 50


def test_kernel_drops_are_counted_when_the_buffer_is_overrun() -> None:
    """A server that is bound and not started yet reads nothing: its buffer must run over."""
    server = udpping.Server(port=0)
    assert server.counters.kernel_drops == 0
    with udp_socket() as own:
        for _ in range(2_000):
            own.sendto(bytes(60_000), server.address)
            drops = server.counters.kernel_drops
            assert isinstance(drops, int)
            if drops > 3:
                break
    assert (server.counters.kernel_drops or 0) > 3
    assert "dropped by the kernel" in repr(server.counters)


def test_a_client_that_has_gone_does_not_stop_it() -> None:
    with udpping.Server(port=0, delay="1ms") as server:
        for _ in range(20):
            with udp_socket() as own:
                own.sendto(b"gone", server.address)
        wait_until(lambda: server.counters.answered + server.counters.errors == 20)
        assert ask(server, b"here") == b"HERE"


def test_a_template_s_reply_is_capped() -> None:
    with udpping.Server(port=0, reply="{message}" * 100) as server:
        assert len(ask(server, b"x" * 100)) == 1_024
        assert len(ask(server, b"x" * 5_000)) == 5_000


def test_start_and_stop_may_be_called_twice_and_a_stopped_server_stays_so() -> None:
    server = udpping.Server(port=0)
    assert not server.running
    server.start()
    server.start()
    assert server.running
    assert ask(server, b"x") == b"X"
    server.stop()
    server.stop()
    with pytest.raises(udpping.NetworkError, match="stopped"):
        server.start()
    assert not server.running
    assert "not running" in repr(server)


def test_leaving_the_block_by_an_error_stops_it() -> None:
    with pytest.raises(ZeroDivisionError), udpping.Server(port=0) as server:
        raise ZeroDivisionError
    assert not server.running


def test_stop_ends_serve_forever() -> None:
    server = udpping.Server(port=0)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    wait_until(lambda: server.running)
    assert ask(server, b"x") == b"X"
    server.stop()
    serving.join(5)
    assert not serving.is_alive()


def test_a_thousand_starts_and_stops_leak_no_thread_and_no_descriptor() -> None:
    def once() -> None:
        with udpping.Server(port=0):
            pass

    once()
    before = belongings()
    for _ in range(1_000):
        once()
    wait_until(lambda: belongings() <= before)


def test_a_binary_request_is_answered_and_its_number_read() -> None:
    with udpping.Server(port=0, reply="same", record=True) as server:
        assert ask(server, struct.pack("!ii", 1, 9)) == struct.pack("!ii", 1, 9)
        assert ask(server, b"\x00\x00\x00") == b"\x00\x00\x00"
    assert [row.seq for row in server.log] == [9, None]


def test_a_seed_that_python_will_not_print_is_refused_as_a_seed() -> None:
    with pytest.raises(udpping.ConfigError, match=r"^seed "):
        udpping.Server(port=0, seed=10**5_000)
