"""A mesh of the workers of a real Dask cluster."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import distributed
import pytest
import udpping
from common import call, wait_until
from udpping._mesh._dask import DaskHosts

if TYPE_CHECKING:
    from concurrent.futures import Future

Foreign: TypeAlias = Any
"""An object of Dask, which has no types."""
Client: Foreign = distributed.Client
LocalCluster: Foreign = distributed.LocalCluster
QUICK: dict[str, Any] = {"count": 5, "interval": 0.02, "timeout": 5}
# `group` keeps these tests in one process, with one cluster.
pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0", scheduler_port=0
    ) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: Foreign) -> Iterator[Any]:
    with Client(cluster) as client:
        client.wait_for_workers(3, timeout=60)
        yield client


def check_whole(mesh: udpping.Mesh) -> None:
    assert sorted((row.source, row.target) for row in mesh.rows) == [
        (one, other) for one in "012" for other in "012" if one != other
    ]
    assert {(row.sent, row.received, row.error) for row in mesh.rows} == {(5, 5, None)}


def test_the_workers_are_hosts(client: Foreign) -> None:
    mesh = udpping.mesh(client, **QUICK)
    check_whole(mesh)
    assert {row.lost_up for row in mesh.rows} == {0}
    assert [host.address for host in mesh.hosts] == ["127.0.0.1"] * 3


def test_the_address_of_a_scheduler_will_do(cluster: Foreign) -> None:
    check_whole(udpping.mesh(cluster.scheduler_address, **QUICK))


def test_the_command_measures_a_cluster(cluster: Foreign) -> None:
    done = call("mesh", "--scheduler", cluster.scheduler_address, "-c", 5, "-i", "20ms", "-W", "5s")
    assert done.returncode == 0, done.stderr
    assert "no host, pair or group stands out: 30 pings, none lost\n" in done.stdout


def test_a_cluster_whose_slots_are_all_busy_is_measured_all_the_same(client: Foreign, tmp_path: Path) -> None:
    over = tmp_path / "over"

    def busy() -> str:
        (tmp_path / str(distributed.get_worker().name)).touch()
        while not over.exists():
            time.sleep(0.02)
        return "done"

    tasks = [client.submit(busy, workers=[worker], pure=False) for worker in workers(client).values()]
    wait_until(lambda: len(list(tmp_path.iterdir())) == 3)
    try:
        check_whole(udpping.mesh(client, **QUICK))
        assert [task.status for task in tasks] == ["pending"] * 3
    finally:
        over.touch()
    assert client.gather(tasks) == ["done"] * 3


def test_workers_in_one_process_are_hosts_of_their_own() -> None:
    with (
        LocalCluster(n_workers=3, processes=False, dashboard_address=":0", scheduler_port=0) as cluster,
        Client(cluster) as client,
    ):
        check_whole(udpping.mesh(client, **QUICK, address="lo"))


def workers(client: Foreign) -> dict[str, str]:
    return {
        str(each["name"]): address for address, each in client.scheduler_info(n_workers=-1)["workers"].items()
    }


def pid_of(client: Foreign, name: str) -> int:
    address = workers(client)[name]
    return int(client.run(os.getpid, workers=[address])[address])


class Meddling(DaskHosts):
    """Does something to a worker when it carries a call."""

    def __init__(self, client: Foreign, when: str, pid: int, number: signal.Signals) -> None:
        super().__init__(client)
        self._when, self._pid, self._signal = when, pid, number
        self.done = False

    def call(self, host: str, name: str, args: dict[str, Any], timeout: float) -> "Future[Any]":
        if name == self._when and not self.done:
            self.done = True
            os.kill(self._pid, self._signal)
        return super().call(host, name, args, timeout)


def check_two_go_on(mesh: udpping.Mesh) -> None:
    for row in mesh.rows:
        if row.source == "2":
            assert row.sent == 0
            assert row.error is not None
            assert row.error.startswith("2: ")
        elif row.target != "2":
            assert (row.sent, row.received, row.error) == (5, 5, None)


def test_a_worker_that_stops_costs_its_own_rows(client: Foreign) -> None:
    pid = pid_of(client, "2")
    mesh = udpping.mesh(Meddling(client, "begin", pid, signal.SIGSTOP), **QUICK)
    os.kill(pid, signal.SIGCONT)
    check_two_go_on(mesh)
    assert {row.received for row in mesh.rows if row.target == "2"} == {0}


def test_a_worker_that_was_killed_comes_back_in_a_later_round(client: Foreign) -> None:
    meddling = Meddling(client, "begin", pid_of(client, "2"), signal.SIGKILL)
    meshes = udpping.Mesh.watch(meddling, **QUICK, rounds=200)
    check_two_go_on(next(meshes))
    # Its nanny starts it again.
    assert any({row.received for row in mesh.rows} == {5} for mesh in meshes)


def test_other_versions_are_refused(client: Foreign) -> None:
    def claim(version: str) -> str:
        udpping.__version__, before = version, udpping.__version__
        return before

    address = workers(client)["1"]
    before = client.run(claim, "0.0.9", workers=[address])[address]
    try:
        with pytest.raises(
            udpping.ConfigError, match=r"host 1 has udpping 0\.0\.9, and this program .*: install"
        ):
            udpping.mesh(client, **QUICK)
    finally:
        client.run(claim, before, workers=[address])
    check_whole(udpping.mesh(client, **QUICK))


def test_workers_without_udpping_are_refused(client: Foreign) -> None:
    def hide() -> None:
        import sys

        sys.__dict__["hidden"] = {name: sys.modules[name] for name in sys.modules if "udpping" in name}
        for name in sys.__dict__["hidden"]:
            del sys.modules[name]
        sys.modules["udpping"] = None  # type: ignore[assignment] # an import of it fails

    def show() -> None:
        import sys

        sys.modules.update(sys.__dict__.pop("hidden"))

    address = workers(client)["0"]
    client.run(hide, workers=[address])
    try:
        with pytest.raises(
            udpping.ConfigError, match="host 0: it cannot import udpping: install the same version there"
        ):
            udpping.mesh(client, **QUICK)
    finally:
        client.run(show, workers=[address])


def test_what_is_no_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("udpping._mesh._dask.CONNECT", 0.5)
    with pytest.raises(
        udpping.NetworkError, match=r"cannot connect to the scheduler at tcp://127\.0\.0\.1:1: "
    ):
        udpping.mesh("tcp://127.0.0.1:1", **QUICK)


def test_an_asynchronous_client_is_refused(cluster: Foreign) -> None:
    import asyncio

    async def ask() -> None:
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            with pytest.raises(udpping.ConfigError, match="client is asynchronous"):
                udpping.mesh(client, **QUICK)

    asyncio.run(ask())


def test_nothing_of_dask_is_imported_without_need() -> None:
    import subprocess

    script = (
        "import sys, udpping; udpping.mesh, udpping.Mesh, udpping.LocalHosts; print('dask' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "False\n"
