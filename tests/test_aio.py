"""The calls for asyncio: the same runs, a free event loop, and cancelling that stops the pings."""

from __future__ import annotations

import asyncio

import pytest
import udpping
from common import marks, statuses, threads, wait_until
from udpping.testing import FarEnd

pytestmark = pytest.mark.python


def test_a_run_is_that_of_ping() -> None:
    with udpping.Server(port=0, loss="pattern:.x") as server:
        run = asyncio.run(udpping.aio.ping(*server.address, count=4, timeout=0.3, linger=0))
    assert isinstance(run, udpping.Run)
    assert marks(run) == ".x.x"
    assert run.summary.sent == 4


def test_many_runs_at_once_take_no_longer_than_one() -> None:
    async def main() -> tuple[list[udpping.Run], float]:
        began = asyncio.get_running_loop().time()
        with udpping.Server(port=0, delay="300ms") as server:
            runs = await asyncio.gather(
                *(udpping.aio.ping(*server.address, count=1, timeout=5) for _ in range(40))
            )
        return runs, asyncio.get_running_loop().time() - began

    runs, took = asyncio.run(main())
    assert [statuses(run) for run in runs] == [["reply"]] * 40
    assert took < 6  # one after another they would take 12 s


def test_the_event_loop_stays_free() -> None:
    async def main(far: FarEnd) -> int:
        turns = 0
        pinging = asyncio.create_task(udpping.aio.ping(*far.address, count=1, timeout=0.5, linger=0))
        while not pinging.done():
            turns += 1
            await asyncio.sleep(0.001)
        return turns

    with FarEnd([]) as far:
        assert asyncio.run(main(far)) > 50


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
        assert len(far.received) < 1_000


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
        run = asyncio.run(udpping.aio.ping_many([near.address, deaf.address], count=2, timeout=0.4))
    assert [summary.received for summary in run.summaries] == [2, 0]


def test_bad_values_are_the_errors_of_ping() -> None:
    with pytest.raises(udpping.ConfigError, match="count 0"):
        asyncio.run(udpping.aio.ping("127.0.0.1", count=0))
    with pytest.raises(udpping.AddressError, match="nobody"):
        asyncio.run(udpping.aio.ping("nobody.invalid"))
    with pytest.raises(udpping.ConfigError, match="list"):
        asyncio.run(udpping.aio.ping_many("127.0.0.1"))
