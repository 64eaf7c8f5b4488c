"""The calls for asyncio: the same runs, a free event loop, and cancelling that stops the pings."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
import udpping
from common import marks, statuses, threads, udp_socket, wait_until
from udpping.testing import FarEnd, Received, Reply

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.python


def test_a_run_is_that_of_ping() -> None:
    with udpping.Server(port=0, loss="pattern:.x") as server:
        run = asyncio.run(udpping.aio.ping(*server.address, count=4, interval=0.01, timeout=5, linger=0))
    assert isinstance(run, udpping.Run)
    assert marks(run) == ".x.x"
    assert run.summary.sent == 4


def test_many_runs_go_on_at_once() -> None:
    """No ping is answered before all have been sent."""

    async def main() -> list[udpping.Run]:
        address = far.getsockname()
        return await asyncio.gather(*(udpping.aio.ping(*address, count=1, timeout=60) for _ in range(40)))

    def answer_all() -> None:
        for datagram, client in [far.recvfrom(2048) for _ in range(40)]:
            far.sendto(datagram, client)

    with udp_socket() as far:
        far.bind(("127.0.0.1", 0))
        answering = threading.Thread(target=answer_all)
        answering.start()
        runs = asyncio.run(main())
        answering.join()
    assert [statuses(run) for run in runs] == [["reply"]] * 40


def answer_when(gate: Callable[[], object]) -> Callable[[Received], Reply]:
    """Answer each ping only after the gate has let it through."""

    def answer(_: Received) -> Reply:
        gate()
        return Reply()

    return answer


def test_the_event_loop_stays_free() -> None:
    turned = threading.Event()

    async def main(far: FarEnd) -> udpping.Run:
        pinging = asyncio.create_task(udpping.aio.ping(*far.address, count=1, timeout=60))
        for _ in range(50):
            await asyncio.sleep(0.001)
        turned.set()
        return await pinging

    with FarEnd(answer_when(turned.wait)) as far:
        assert statuses(asyncio.run(main(far))) == ["reply"]


@pytest.mark.parametrize("many", [False, True])
def test_cancelling_stops_the_pings(many: bool) -> None:  # noqa: FBT001 - a parameter of pytest's
    async def main(far: FarEnd) -> None:
        options = udpping.aio.ping_many([far.address], count=10_000, interval=0.005)
        if not many:
            options.close()
            options = udpping.aio.ping(*far.address, count=10_000, interval=0.005)
        task = asyncio.create_task(options)
        await asyncio.to_thread(far.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with FarEnd() as far:
        asyncio.run(main(far))
        wait_until(lambda: "udpping ping" not in threads())
        assert len(far.received) < 10_000


def test_a_time_limit_stops_the_pings() -> None:
    async def main(far: FarEnd) -> None:
        async with asyncio.timeout(0.1):
            await udpping.aio.ping(*far.address, count=10_000, timeout=1)

    with FarEnd([]) as far:
        with pytest.raises(TimeoutError):
            asyncio.run(main(far))
        wait_until(lambda: "udpping ping" not in threads())


def test_ping_many_has_the_summaries() -> None:
    with udpping.Server(port=0) as near, udpping.Server(port=0, loss=1) as deaf:
        run = asyncio.run(
            udpping.aio.ping_many([near.address, deaf.address], count=2, interval=0.01, timeout=3, linger=0)
        )
    assert [summary.received for summary in run.summaries] == [2, 0]


def test_bad_values_are_the_errors_of_ping() -> None:
    with pytest.raises(udpping.ConfigError, match="count 0"):
        asyncio.run(udpping.aio.ping("127.0.0.1", count=0))
    with pytest.raises(udpping.AddressError, match="nobody"):
        asyncio.run(udpping.aio.ping("nobody.invalid"))
    with pytest.raises(udpping.ConfigError, match="list"):
        asyncio.run(udpping.aio.ping_many("127.0.0.1"))


def test_a_pinger_gives_its_rows_to_async_for() -> None:
    async def main(far: FarEnd) -> tuple[list[str], udpping.Run]:
        async with udpping.aio.Pinger(far, count=3, timeout=3, linger=0, announce=True) as pinger:
            rows = [row.status async for row in pinger]
        return rows, await pinger.run()

    with FarEnd([Reply(), None, Reply()]) as far:
        rows, run = asyncio.run(main(far))
    assert rows == ["open", "reply", "open", "timeout", "open", "reply"]
    assert statuses(run) == ["reply", "timeout", "reply"]


def test_a_pinger_changes_its_targets_while_it_runs() -> None:
    async def main() -> list[int]:
        async with udpping.Server(port=0) as near, udpping.Server(port=0) as far:
            async with udpping.aio.Pinger([near], count=None, interval=0.01, timeout=60) as pinger:
                await pinger.add(far)
                heard: set[str] = set()
                async for row in pinger:
                    heard.add(row.target)
                    if len(heard) == 2:
                        break
                pinger.remove(near)
                assert await pinger.resolve() == {}
                assert pinger.address == "{}:{}".format(*near.address)
            return [summary.received for summary in pinger.so_far().summaries]

    assert min(asyncio.run(main())) >= 1


def test_a_row_that_nobody_waits_for_any_more_is_not_lost() -> None:
    cancelled = threading.Semaphore(0)

    async def main(far: FarEnd) -> list[int]:
        rows: list[int] = []
        async with udpping.aio.Pinger(far, count=2, timeout=60) as pinger:
            while len(rows) < 2:
                try:
                    rows.append((await asyncio.wait_for(anext(pinger), 0.01)).seq)
                except TimeoutError:
                    cancelled.release()
        return rows

    with FarEnd(answer_when(cancelled.acquire)) as far:
        assert asyncio.run(main(far)) == [1, 2]


def test_rows_without_end_leave_other_tasks_their_turn() -> None:
    async def main() -> int:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        async with udpping.Server(port=0) as server, udpping.aio.Pinger(server, count=2_000) as pinger:
            other = asyncio.create_task(count())
            seen = [row.seq async for row in pinger]
            other.cancel()
        assert len(seen) == 2_000
        return turns

    assert asyncio.run(main()) >= 2_000


def test_a_cancelled_block_stops_the_pings() -> None:
    async def main(far: FarEnd) -> udpping.aio.Pinger:
        pinger = udpping.aio.Pinger(far, count=None, interval=0.005)

        async def watch() -> None:
            async with pinger:
                await asyncio.Event().wait()

        task = asyncio.create_task(watch())
        await asyncio.to_thread(far.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return pinger

    with FarEnd([]) as far:
        pinger = asyncio.run(main(far))
        wait_until(lambda: repr(pinger).endswith(": over>"))


def test_a_pinger_that_is_not_open_says_so() -> None:
    pinger = udpping.aio.Pinger()
    assert repr(pinger) == "<udpping.aio.Pinger: not open>"
    with pytest.raises(udpping.NetworkError, match="not open: use `async with`"):
        _ = pinger.summary
    with pytest.raises(udpping.ConfigError, match="timeout"):
        asyncio.run(udpping.aio.Pinger(timeout=-1).run())


def test_services_start_and_stop_with_async_with() -> None:
    async def main() -> tuple[list[str], list[object]]:
        events: list[str] = []
        async with udpping.Monitor(
            "127.0.0.1", 0, on_event=lambda event: events.append(event.event)
        ) as monitor:
            async with udpping.Heartbeat(monitor, id="web1", interval=60) as heartbeat:
                assert heartbeat.running
                await asyncio.to_thread(wait_until, lambda: "new" in events)
            await asyncio.to_thread(wait_until, lambda: "bye" in events)
        async with udpping.Server(port=0) as server:
            assert (await udpping.aio.ping(server, count=1, timeout=20))[0].status == "reply"
        return events, [monitor.running, heartbeat.running, server.running]

    events, running = asyncio.run(main())
    assert [event for event in events if event in {"new", "bye"}] == ["new", "bye"]
    assert running == [False, False, False]


def test_an_exception_in_the_block_is_in_the_goodbye() -> None:
    async def main(monitor: udpping.Monitor) -> None:
        async with udpping.Heartbeat(monitor, id="web1", interval=60):
            raise SystemExit(3)

    with udpping.Monitor("127.0.0.1", 0) as monitor:
        with pytest.raises(SystemExit):
            asyncio.run(main(monitor))
        assert next(event for event in monitor if event.event == "bye").value == 3
