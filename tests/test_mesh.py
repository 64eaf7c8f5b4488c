"""A mesh of processes on this machine: results, and hosts that die, stop, leave or come back."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest
import udpping
from common import belongings, wait_until
from udpping._mesh import _engine, _worker

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="hosts are ended by signals of POSIX")

QUICK: dict[str, Any] = {"count": 5, "interval": 0.02, "timeout": 5}
SHORT: dict[str, Any] = QUICK | {"timeout": 3}


@pytest.fixture(scope="module")
def hosts() -> Iterator[udpping.LocalHosts]:
    with udpping.LocalHosts(3) as hosts:
        yield hosts


def pairs_of(mesh: udpping.Mesh) -> list[tuple[str, str]]:
    return sorted((row.source, row.target) for row in mesh.rows)


ALL = [(one, other) for one in "012" for other in "012" if one != other]


def test_every_pair_is_measured_both_ways(hosts: udpping.LocalHosts) -> None:
    mesh = udpping.mesh(hosts, **QUICK)
    assert pairs_of(mesh) == ALL
    for row in mesh.rows:
        assert (row.round, row.sent, row.received, row.error, row.source_port) == (0, 5, 5, None, None)
        assert row.rtt_min_ns is not None
        assert row.rtt_p50_ns is not None
        assert row.rtt_max_ns is not None
        assert 0 < row.rtt_min_ns <= row.rtt_p50_ns <= row.rtt_max_ns
    assert mesh.coverage == 1
    assert [host.address for host in mesh.hosts] == ["127.0.0.1"] * 3


@pytest.mark.parametrize("protocol", ["text", "stamp"])
def test_rows_tell_ways_and_clocks(hosts: udpping.LocalHosts, protocol: str) -> None:
    for row in udpping.mesh(hosts, **QUICK, protocol=protocol).rows:
        assert (row.received, row.lost_up, row.lost_down, row.lost_unknown) == (5, 0, 0, 0)
        assert row.up_p50_ns is not None
        assert row.owd_error_ns is not None
        assert row.offset_low_ns is not None
        assert row.offset_high_ns is not None
        # All have one clock.
        assert row.offset_low_ns <= 0 <= row.offset_high_ns


@pytest.mark.untimed
@pytest.mark.parametrize("protocol", ["text:times,follow-up", "stamp:follow-up"])
def test_the_kernels_of_all_hosts_tell_when_replies_leave(hosts: udpping.LocalHosts, protocol: str) -> None:
    patient: dict[str, Any] = QUICK | {"timeout": 60, "protocol": protocol}
    for row in udpping.mesh(hosts, **patient).rows:
        assert (row.received, row.lost_up, row.lost_down, row.error) == (5, 0, 0, None)
    with _worker.far_end(protocol, "127.0.0.1") as far, _worker.far_end("stamp", "127.0.0.1") as other:
        run = udpping.ping(far, count=20, protocol=protocol, timeout=60)
        told = sum(row.server_stamp in ("kernel", "kernel-tx") for row in run)
        assert told > 5 if far.stamps_sends else told == 0
        assert not other.stamps_sends


def test_each_source_port_has_a_row(hosts: udpping.LocalHosts) -> None:
    mesh = udpping.mesh(hosts, **QUICK, flows=3)
    for source, target in ALL:
        rows = [row for row in mesh.rows if (row.source, row.target) == (source, target)]
        assert [row.received for row in rows] == [5, 5, 5]
        assert len({row.source_port for row in rows} - {None}) == 3


def test_with_fewer_peers_rounds_cover_all_pairs() -> None:
    with udpping.LocalHosts(5) as hosts:
        mesh = udpping.mesh(hosts, **QUICK, peers=2)
        assert mesh.coverage == 0.5
        mesh = udpping.mesh(hosts, **QUICK, peers=2, rounds=2)
        assert mesh.coverage == 1
        assert [sum(row.round == number for row in mesh.rows) for number in (0, 1)] == [10, 10]


def test_groups_and_addresses_are_given_by_name(hosts: udpping.LocalHosts) -> None:
    mesh = udpping.mesh(hosts, **QUICK, groups={"0": "rack 1"}, address={"1": "127.0.0.2"})
    assert [host[1:] for host in mesh.hosts] == [
        ("127.0.0.1", "rack 1"),
        ("127.0.0.2", "127.0.0.2"),
        ("127.0.0.1", "127.0.0.1"),
    ]
    assert {row.received for row in mesh.rows} == {5}
    mesh = udpping.mesh(hosts, **QUICK, groups=lambda host: host.name * 2, address="lo")
    assert {(row.source, row.group_source, row.received) for row in mesh.rows} == {
        (name, name * 2, 5) for name in "012"
    }


def test_hosts_may_have_ipv6(hosts: udpping.LocalHosts) -> None:
    mesh = udpping.mesh(hosts, **QUICK, address=lambda _name: "::1")
    assert {(row.group_source, row.received) for row in mesh.rows} == {("::1", 5)}


def test_one_host_for_each_address(hosts: udpping.LocalHosts) -> None:
    with pytest.raises(udpping.ConfigError, match="a mesh needs 2 hosts or more: the engine has 1"):
        udpping.mesh(hosts, **QUICK, one_per_address=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "count 0 is not usable: expected a whole number from 1 to 1,000,000"),
        ({"rounds": 0}, "rounds 0 is not usable"),
        ({"flows": 65}, "flows 65 is not usable: expected a whole number from 1 to 64"),
        ({"interval": 0}, "interval 0 is not usable"),
        ({"protocol": "icmp"}, "icmp"),
        ({"peers": 3}, "peers 3 is not usable: expected 1 to 2"),
        ({"peers": "some"}, "peers 'some' is not usable"),
        (
            {"address": "no-such-interface0"},
            "none of 3 hosts takes part: 0: address 'no-such-interface0' is not usable",
        ),
        ({"size": 3}, "size 3 is not usable"),
    ],
)
def test_what_cannot_be_used_is_said(hosts: udpping.LocalHosts, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(udpping.UdppingError, match=message):
        udpping.mesh(hosts, **{**QUICK, **wrong})


def test_a_client_that_is_none_is_refused() -> None:
    with pytest.raises(udpping.ConfigError, match="client 5 is not usable: expected a Client of Dask"):
        udpping.mesh(5)
    with pytest.raises(udpping.ConfigError, match="hosts 0 is not usable: expected 1 to 256 hosts"):
        udpping.LocalHosts(0)
    with pytest.raises(udpping.ConfigError, match="hosts are not started"):
        udpping.mesh(udpping.LocalHosts(2), **QUICK)


class Meddling:
    """An engine that does something to its hosts when it carries a call."""

    def __init__(self, hosts: udpping.LocalHosts, when: str, meddle: Callable[[], object]) -> None:
        self.hosts = hosts.hosts
        self.args: list[dict[str, Any]] = []
        self._inner, self._when, self._meddle = hosts, when, meddle

    def call(self, host: str, name: str, args: dict[str, Any], timeout: float) -> Future[Any]:
        if name == self._when and not self.args:
            self.args.append(args)
            self._meddle()
        return self._inner.call(host, name, args, timeout)


def check_two_go_on(mesh: udpping.Mesh, error: str) -> None:
    """Check that the third host has no results of its own, and that those of the others are whole."""
    assert pairs_of(mesh) == ALL
    for row in mesh.rows:
        if row.source == "2":
            assert row.sent == 0
            assert row.error is not None
            assert error in row.error
        elif row.target != "2":
            assert (row.sent, row.received, row.error) == (5, 5, None)


def test_a_host_that_dies_after_its_pings_costs_its_own_rows() -> None:
    with udpping.LocalHosts(3) as hosts:

        def kill() -> None:
            for name in "01":
                hosts.call(name, "collect", {**args[0], "mesh": args[0]["mesh"][:-1] + name}, 20).result()
            os.kill(hosts.pids()["2"], signal.SIGKILL)

        meddling = Meddling(hosts, "collect", kill)
        args = meddling.args
        mesh = udpping.mesh(meddling, **QUICK)
        check_two_go_on(mesh, "2: its process has ended (exit status -9)")
        # The others measured it until then.
        assert {(row.received, row.error) for row in mesh.rows if row.target == "2"} == {(5, None)}
        assert "3 hosts, 4 of 6 pairs measured" in repr(mesh)


def test_a_host_that_dies_before_its_pings_is_lost_to_the_others() -> None:
    with udpping.LocalHosts(3) as hosts:
        kill = lambda: os.kill(hosts.pids()["2"], signal.SIGKILL)  # noqa: E731
        mesh = udpping.mesh(Meddling(hosts, "begin", kill), **QUICK)
        check_two_go_on(mesh, "2: its process has ended")
        for row in mesh.rows:
            if row.target == "2":
                # Nobody listens: the kernel says so at once.
                assert (row.sent, row.received) == (5, 0)


def test_a_host_that_stops_costs_its_own_rows_and_a_bounded_time() -> None:
    with udpping.LocalHosts(3) as hosts:
        pid = hosts.pids()["2"]
        stop = lambda: os.kill(pid, signal.SIGSTOP)  # noqa: E731
        mesh = udpping.mesh(Meddling(hosts, "begin", stop), **SHORT)
        check_two_go_on(mesh, "2: did not answer in time")
        assert {(row.sent, row.received) for row in mesh.rows if row.target == "2"} == {(5, 0)}
        os.kill(pid, signal.SIGCONT)
        assert {row.received for row in udpping.mesh(hosts, **QUICK).rows} == {5}


def test_watching_merges_rounds_and_takes_hosts_back() -> None:
    with udpping.LocalHosts(3) as hosts:
        pid = hosts.pids()["2"]
        meshes = udpping.Mesh.watch(hosts, **SHORT)
        first = next(meshes)
        assert first.digest().loss().sent == 30
        os.kill(pid, signal.SIGSTOP)
        check_two_go_on(next(meshes), "did not answer in time")
        os.kill(pid, signal.SIGCONT)
        third = next(meshes)
        assert {(row.round, row.received) for row in third.rows} == {(2, 5)}
        assert third.digest("0", "1").loss().sent == 15
        assert third.digest(source="2").loss().sent == 20
        assert third.digest(target="2").loss().received == 20
        with pytest.raises(udpping.ConfigError, match="no such digests"):
            third.digest("9")
        meshes.close()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def test_an_earlier_mesh_of_a_watch_stays_as_it_was(hosts: udpping.LocalHosts) -> None:
    meshes = udpping.Mesh.watch(hosts, **QUICK, rounds=2)
    first = next(meshes)
    before = first.digest()
    (second,) = meshes
    assert first.digest() == before
    sent = [sum(row.sent for row in mesh.rows) for mesh in (first, second)]
    assert before.loss().sent == sent[0]
    assert second.digest().loss().sent == sum(sent)


def test_the_memory_of_watching_does_not_grow(hosts: udpping.LocalHosts) -> None:
    for number, mesh in enumerate(udpping.Mesh.watch(hosts, count=20, interval=0.001, rounds=4), 1):
        digests = mesh._digests  # pyright: ignore[reportPrivateUsage]
        assert digests.keys() == set(ALL)
        for found in digests.values():
            assert found.loss().sent == 20 * number
            # Round trips that were seen before have their bins: counts get digits, and nothing else is added.
            assert len((found | found).to_json()) < 1.3 * len(found.to_json())


@pytest.mark.parametrize(("what", "version"), [("udpping", "0.0.9"), ("python", "3.9")])
def test_other_versions_are_refused(what: str, version: str) -> None:
    # A host whose program says so: there is one Python here.
    other = {
        "udpping": f"import udpping; udpping.__version__ = '{version}'",
        "python": f"import sys; from udpping._mesh import _worker; _worker.VERSION = '{version}'",
    }[what]
    script = f"{other}; from udpping._mesh._serve import serve; serve()"
    words = {"a": [], "b": [sys.executable, "-c", script]}
    with (
        udpping.LocalHosts(words) as hosts,
        pytest.raises(
            udpping.ConfigError, match=f"host b has {what} {version}, and this program .*: install"
        ),
    ):
        udpping.mesh(hosts, **QUICK)


def test_ctrl_c_that_comes_to_another_thread_ends_it_too() -> None:
    script = """
import signal, threading, time, udpping

def interrupt():
    time.sleep(1)  # no wait for luck: any moment will do
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

with udpping.LocalHosts(2) as hosts:
    threading.Thread(target=interrupt).start()
    try:
        udpping.mesh(hosts, count=6000, interval=0.1)
    except KeyboardInterrupt:
        print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_servers_close_when_the_client_vanishes() -> None:
    script = (
        "import udpping; h = udpping.LocalHosts(2); h.start(); print(*h.pids().values(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        client.kill()
    wait_until(lambda: not any(map(alive, pids)))


def test_hosts_import_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('this is no json')")
    monkeypatch.chdir(tmp_path)
    with udpping.LocalHosts(2) as hosts:
        assert udpping.mesh(hosts, **QUICK).coverage == 1


def test_ctrl_c_ends_it_and_the_hosts() -> None:
    script = """
import udpping

class Engine:
    def __init__(self, hosts):
        self.inner, self.hosts, self.begun = hosts, hosts.hosts, 0

    def call(self, host, name, *args):
        called = self.inner.call(host, name, *args)
        self.begun += name == "begin"
        if name == "begin" and self.begun == 2:
            print(*hosts.pids().values(), flush=True)
        return called

with udpping.LocalHosts(2) as hosts:
    meshes = udpping.Mesh.watch(hosts, count=1, interval=0.01)
    next(meshes)
    try:
        udpping.mesh(Engine(hosts), count=6000, interval=0.01)
    except KeyboardInterrupt:
        # They were interrupted as well, and go on until they are told.
        print(udpping.mesh(hosts, count=3, interval=0.01, timeout=5).coverage, flush=True)
        raise
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as client:
        assert client.stdout is not None
        pids = [int(pid) for pid in client.stdout.readline().split()]
        os.killpg(client.pid, signal.SIGINT)
        output, errors = client.communicate(timeout=60)
    assert output == "1.0\n"
    assert errors.endswith("KeyboardInterrupt\n")
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - of the kernel
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_lease_closes_what_nobody_calls() -> None:
    part = _worker.Part("127.0.0.1", "text", 0.2)
    wait_until(lambda: not part.server.running)


def test_a_lease_goes_on_with_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that moves with the calls alone, while the lease's own thread looks at it."""
    now, looks = 0.0, 0

    def clock() -> float:
        nonlocal looks
        looks += threading.current_thread() is not threading.main_thread()
        return now

    monkeypatch.setattr(_worker, "monotonic", clock)
    part = _worker.Part("127.0.0.1", "text", 0.1)
    for _ in range(5):
        now += 0.09
        part.touch()
        seen = looks
        wait_until(lambda: looks > seen + 1)  # noqa: B023 - called within this round
        assert part.server.running
    now += 0.1
    wait_until(lambda: not part.server.running)


def test_digests_of_many_hosts_are_merged_where_they_are_made() -> None:
    async def call(name: str, **args: object) -> list[Any]:
        answer = await _worker.answer(name, {"mesh": "m", **args})
        assert "error" not in answer
        result: list[Any] = answer["result"]
        return result

    async def measure() -> dict[str, Any]:
        _, port = await call("prepare", address="127.0.0.1", protocol="stamp", lease=60)
        with udpping.Reflector(port=0) as other:
            peers = [["a", "127.0.0.1", port, 0.0], ["b", *other.address, 0.5]]
            await call("begin", work=[0, peers, 0, 5, 0.01, 1, None, 2, "source"])
            found = await call("collect", patience=30)
        await call("finish")
        return cast("dict[str, Any]", found)

    found = asyncio.run(measure())
    assert [row[0] for row in found["rows"]] == ["a", "b", "a", "b"]
    assert found["error"] is None
    assert list(found["digests"]) == [""]
    assert udpping.stats.Digest.from_json(found["digests"][""]).loss().sent == 2 * 2 * 5


def test_nothing_is_left_behind(hosts: udpping.LocalHosts) -> None:
    udpping.mesh(hosts, **QUICK)
    for name in hosts.hosts():
        with pytest.raises(udpping.NetworkError, match="no longer takes part"):
            hosts.call(name, "collect", {"mesh": "x", "patience": 0}, 5).result()


def test_nothing_is_left_in_this_process(hosts: udpping.LocalHosts) -> None:
    udpping.mesh(hosts, **QUICK)
    before = belongings()
    with udpping.LocalHosts(2) as more:
        udpping.mesh(more, **QUICK)
    wait_until(lambda: belongings() <= before)


def test_what_a_host_prints_or_says_wrongly_does_no_harm() -> None:
    script = "import sys; print('hello'); sys.stdout.flush(); sys.stdin.read()"
    with udpping.LocalHosts({"a": [], "b": [sys.executable, "-c", script]}) as hosts:
        with pytest.raises(udpping.NetworkError, match="its process has ended"):
            hosts.call("b", "about", {"mesh": ""}, 10).result()
        with pytest.raises(udpping.NetworkError, match="KeyError"):
            hosts.call("a", "no such call", {}, 10).result()
    with pytest.raises(FileNotFoundError), udpping.LocalHosts({"a": ["/no/such/program"]}):
        pass


def test_a_host_that_has_just_ended_need_not_be_killed() -> None:
    async def main() -> None:
        process = await asyncio.create_subprocess_exec("true", stdout=subprocess.PIPE)
        child = _engine.Child(process)
        await child.reader
        with pytest.raises(ProcessLookupError):
            process.kill()
        child.kill()

    asyncio.run(main())
