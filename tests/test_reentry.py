"""What is called back may come in again, and what is shared may be used by several threads at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Any

import pytest
import udpping
from common import wait_until

HERE = "127.0.0.1"


def test_a_callback_may_stop_its_own_monitor_or_let_go_of_it() -> None:
    for stops in (True, False):
        done, held = Event(), list[udpping.Monitor]()

        def end(_: udpping.MonitorEvent, held: list[udpping.Monitor] = held, done: Event = done) -> None:
            while held:
                monitor = held.pop()
                if stops:  # noqa: B023 - called within this round
                    monitor.stop()
            done.set()

        held.append(udpping.Monitor(HERE, 0, on_event=end))
        held[0].start()
        with udpping.Heartbeat(*held[0].address, id="web1", interval=0.02):
            assert done.wait(20)


def test_loops_over_one_service_may_be_within_each_other_and_end_it() -> None:
    seen = list[int]()
    with udpping.Server(HERE, 0) as server:
        with udpping.Pinger(server, interval=0.005, count=50, timeout=10) as pinger:
            for row in pinger:
                seen.append(row.seq)
                if len(seen) == 3:
                    seen.append(next(iter(pinger)).seq)
                if len(seen) > 5:
                    pinger.stop()
        asker = Thread(target=udpping.ping, args=server.address, kwargs={"count": 5, "interval": 0.01})
        following = server.follow()
        asker.start()
        events = 0
        for _ in following:
            events += 1
            for _ in server.follow():
                events += 1
                break
            if events > 3:
                server.stop()
        asker.join()
    assert seen[:4] == [1, 2, 3, 4]
    assert events >= 4


def test_several_threads_get_each_row_of_a_pinger_once() -> None:
    def take(pinger: udpping.Pinger) -> list[int]:
        return [row.seq for row in pinger]

    with (
        udpping.Server(HERE, 0) as server,
        udpping.Pinger(server, interval=0.0005, count=2_000, timeout=10) as pinger,
        ThreadPoolExecutor(8) as pool,
    ):
        parts = list(pool.map(take, [pinger] * 8))
    assert sorted(seq for part in parts for seq in part) == list(range(1, 2_001))


def test_services_may_be_stopped_and_asked_by_many_threads() -> None:
    for _ in range(10):
        monitor = udpping.Monitor(HERE, 0)
        monitor.start()
        heartbeat = udpping.Heartbeat(*monitor.address, id="web1", interval=0.01)
        heartbeat.start()
        wait_until(lambda: monitor.counters.received > 0)  # noqa: B023 - called within this round
        uses: list[Any] = [
            *(monitor.stop, heartbeat.stop, lambda: list(monitor.peers), lambda: monitor.counters),  # noqa: B023
            *(lambda: repr(monitor), lambda: monitor.next_event(0.01), lambda: repr(heartbeat)),  # noqa: B023
        ]
        with ThreadPoolExecutor(len(uses)) as pool:
            for used in [pool.submit(use) for use in uses * 5]:
                used.result(20)
        assert not monitor.running


@pytest.mark.untimed
def test_one_stream_of_arrow_in_several_threads_is_read_once() -> None:
    pa: Any = pytest.importorskip("pyarrow")
    run = udpping.sim.ping(count=2_000, loss="30%")
    table = pa.table(run)

    class Shared:
        def __init__(self) -> None:
            self.capsule = table.__arrow_c_stream__()

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return self.capsule

    def read(shared: Shared) -> udpping.stats.Loss | None:
        try:
            return udpping.stats.loss(shared)
        except udpping.ConfigError as error:
            if "was read before" not in str(error):
                raise
            return None

    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            found = list(pool.map(read, [Shared()] * 4))
            assert [each for each in found if each] == [udpping.stats.loss(run)]
