"""`ping_many`: several targets, one table, one summary for each."""

from __future__ import annotations

from threading import Barrier

import pytest
import udpping
from common import marks, statuses
from udpping.testing import FarEnd, Received, Reply, free_port


def named(server: udpping.Server | FarEnd) -> str:
    host, port = server.address
    return f"{host}:{port}"


def test_one_table_with_the_target_in_each_row_and_a_summary_for_each() -> None:
    with (
        udpping.Server(port=0) as near,
        udpping.Server(port=0, loss="pattern:.x") as lossy,
        udpping.Server(port=0, loss=1) as deaf,
    ):
        servers = [near, lossy, deaf]
        run = udpping.ping_many(
            [server.address for server in servers], count=4, interval=0.01, timeout=3, linger=0
        )
        names = [named(server) for server in servers]
    assert list(run.targets) == names
    assert run["target"].to_list() == [name for name in names for _ in range(4)]
    assert run["seq"].to_list() == [1, 2, 3, 4] * 3
    assert marks(run) == "...." + ".x.x" + "xxxx"
    assert [summary.target for summary in run.summaries] == names
    assert [summary.received for summary in run.summaries] == [4, 2, 0]
    assert (run.summary.sent, run.summary.received, run.summary.lost) == (12, 6, 6)
    assert all(name in repr(run) for name in names)


def test_targets_are_pinged_side_by_side() -> None:
    """Each target answers only when the other one has been asked as well."""
    both_asked = Barrier(2, timeout=20)

    def script(_: Received) -> Reply:
        both_asked.wait()
        return Reply()

    with FarEnd(script) as one, FarEnd(script) as two:
        run = udpping.ping_many([one.address, two.address], count=2, timeout=30, linger=0)
    assert statuses(run) == ["reply"] * 4


def test_a_target_that_cannot_be_reached_spoils_no_other() -> None:
    with udpping.Server(port=0) as server:
        run = udpping.ping_many([server.address, ("127.0.0.1", free_port())], count=2, timeout=5)
    assert statuses(run) == ["reply"] * 2 + ["unreachable"] * 2
    assert [summary.unreachable for summary in run.summaries] == [0, 2]


def test_targets_are_texts_or_pairs_and_port_stands_in() -> None:
    with udpping.Server("", 0) as server:
        port = server.bound[1]
        run = udpping.ping_many(
            [f"127.0.0.1:{port}", "127.0.0.2", ("127.0.0.3", port)], port=port, count=1, timeout=5
        )
    assert list(run.targets) == [f"127.0.0.{host}:{port}" for host in (1, 2, 3)]
    assert statuses(run) == ["reply"] * 3


def test_both_versions_in_one_run() -> None:
    with udpping.Server("::", 0) as server:
        run = udpping.ping_many(
            [("127.0.0.1", server.bound[1]), f"[::1]:{server.bound[1]}"], count=2, timeout=5
        )
    assert statuses(run) == ["reply"] * 4


def test_two_hundred_targets_share_a_thread_and_each_gets_its_own_replies() -> None:
    with udpping.Server("", 0, delay="uniform:0ms,5ms") as server:
        targets = [(f"127.0.0.{host}", server.bound[1]) for host in range(1, 201)]
        run = udpping.ping_many(targets, count=3, timeout=5)
    assert statuses(run) == ["reply"] * 600
    assert [row.source for row in run] == run["target"].to_list()
    assert (run.summary.foreign, run.summary.unmatched) == (0, 0)
    assert len(repr(run).splitlines()) <= 22


@pytest.mark.parametrize(
    "targets",
    [
        [],
        "127.0.0.1",
        ["127.0.0.1:9", ("127.0.0.1", 9)],
        ["127.0.0.1:0"],
        ["127.0.0.1:70000"],
        ["127.0.0.1:x"],
        ["[::1"],
        [""],
        [("127.0.0.1", 0)],
        [("127.0.0.1", 70_000)],
    ],
    ids=repr,
)
def test_bad_targets_are_one_clear_line(targets: list[str | tuple[str, int]]) -> None:
    with pytest.raises(udpping.ConfigError) as caught:
        udpping.ping_many(targets, count=1)
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)
