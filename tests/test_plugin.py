"""The plugin for pytest, in real runs: it costs nothing until it is used, and a failure can be repeated."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = """
    import pytest, udpping

    @pytest.mark.udp_seeds(4)
    def test_each(udp_seed, udp_server):
        server = udp_server(loss="30%")
        assert server.seed == udp_seed
        run = udpping.ping(server, count=20, timeout=0.2, interval=0.001, linger=0)
        lost = [row.verdict == "drop" for row in server.log]
        expected = [row.copies == 0 for row in udpping.sim.ping(count=20, loss="30%", seed=udp_seed)]
        assert lost == expected[:len(lost)]
        assert udp_seed != 3, "the planted fault"
"""
"""Of its four seeds, the third one fails."""


class Runs:
    """Runs of pytest in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        lines = text.lstrip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        (self.folder / name).write_text("\n".join(line[indent:] for line in lines))

    def run(self, *words: str, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *python, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def counts(self, *words: str) -> dict[str, int]:
        """Return how many passed, failed and so on."""
        done = self.run(*words)
        summary = done.stdout.splitlines()[-1]
        counts = {what: int(count) for count, what in re.findall(r"(\d+) (\w+)", summary.split(" in ")[0])}
        assert counts, done.stdout + done.stderr
        return counts


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers --strict-config\n")
    return Runs(tmp_path)


@pytest.mark.python
def test_a_run_without_the_fixtures_imports_the_plugin_alone(runs: Runs) -> None:
    runs.write(
        "conftest.py",
        """
        import sys

        def pytest_unconfigure():
            print("\\nloaded:", *sorted(name for name in sys.modules if name.partition(".")[0] == "udpping"))
        """,
    )
    runs.write("test_plain.py", "def test_nothing(): pass")
    done = runs.run("--capture=no", python=("-X", "importtime"))
    assert "1 passed" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded: udpping udpping._pytest"
    assert "import time:" in done.stderr
    assert "udpping._core" not in done.stderr
    runs.write("test_plain.py", "def test_server(udp_server): udp_server()")
    assert "udpping._core" in runs.run("--capture=no", python=("-X", "importtime")).stderr


def test_what_a_test_made_is_stopped_when_it_is_over(runs: Runs) -> None:
    runs.write(
        "test_made.py",
        """
        made = []

        def test_it_runs(udp_server):
            made.extend([udp_server(), udp_server(loss="10%", record=False)])
            assert [server.running for server in made] == [True, True]
            assert made[0].seed != made[1].seed
            assert len({server.address for server in made}) == 2

        def test_it_is_over():
            assert [server.running for server in made] == [False, False]
        """,
    )
    assert runs.counts() == {"passed": 2}


def test_a_relay_stands_between_a_client_and_a_server(runs: Runs) -> None:
    runs.write(
        "test_relay.py",
        """
        import udpping

        def test_it(udp_server, udp_relay):
            server = udp_server()
            relay = udp_relay(server, up="loss=list:1", link="delay=1ms")
            run = udpping.ping(relay, count=2, interval=0.01, timeout=3, linger=0)
            assert [row.copies for row in run] == [0, 1]
            assert (server.seed, relay.seed) == (1, 1)
            assert udp_relay(("127.0.0.1", 9)).seed != 1
            assert False
        """,
    )
    told = runs.run().stdout
    assert "1 failed" in told
    assert re.search(
        r"<udpping\.Relay .* seed 1: running>\n    up: 2 received, 1 sent, 1 dropped on purpose", told
    ), told


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_test_is_repeated_over_its_seeds(runs: Runs, workers: tuple[str, ...]) -> None:
    runs.write("test_seeds.py", SEEDS)
    assert runs.counts(*workers) == {"failed": 1, "passed": 3}
    assert runs.counts(*workers, "--udp-seeds=2") == {"passed": 2}
    assert runs.counts(*workers, "--udp-seed=3") == {"failed": 1}


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_failure_tells_its_seed_and_the_line_that_repeats_it(runs: Runs, workers: tuple[str, ...]) -> None:
    runs.write("test_seeds.py", SEEDS)
    told = runs.run(*workers, "--udp-seeds=5").stdout
    assert re.search(r"-+ udpping -+\nseed 3; this repeats it:\n", told)
    assert told.count("this repeats it") == 1
    server = r"<udpping\.Server 127\.0\.0\.1 port \d+, loss 0\.3, delay 0, seed 3: running>\n"
    assert re.search(server + r"    \d+ received, \d+ answered, \d+ dropped on purpose", told), told
    line = next(line.strip() for line in told.splitlines() if line.strip().startswith("pytest "))
    words = shlex.split(line)
    assert words == ["pytest", "test_seeds.py::test_each[seed3]", "--udp-seed=3"]
    again = runs.run(*words[1:])
    assert "1 failed" in again.stdout
    assert "the planted fault" in again.stdout


def test_a_test_without_the_mark_has_the_same_seed_at_each_run(runs: Runs) -> None:
    runs.write("test_one.py", "def test_one(udp_seed):\n    assert udp_seed == 9")
    told = runs.run().stdout
    assert "seed 1; this repeats it:\n    pytest test_one.py::test_one --udp-seed=1\n" in told
    assert runs.counts("--udp-seed=9") == {"passed": 1}


def test_the_mark_can_be_of_a_class_and_beside_other_parameters(runs: Runs) -> None:
    runs.write(
        "test_mark.py",
        """
        import pytest

        seen = set()

        @pytest.mark.udp_seeds(3, first=10)
        class TestAll:
            @pytest.mark.parametrize("word", ["a", "b"])
            def test_two(self, word, udp_seed):
                seen.add((word, udp_seed))

            def test_without_the_seed(self):
                pass

        def test_all():
            assert seen == {(word, seed) for word in "ab" for seed in (10, 11, 12)}
        """,
    )
    assert runs.counts() == {"passed": 6 + 3 + 1}


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("()", r"udp_seeds\(\) is not usable: expected how many seeds, from 1 on"),
        ("(0)", r"udp_seeds\(0\) is not usable"),
        ("('many')", r"udp_seeds\('many'\) is not usable"),
        ("(2, last=3)", r"udp_seeds\(2, last=3\) is not usable"),
    ],
)
def test_a_wrong_mark_says_what_is_right(runs: Runs, mark: str, told: str) -> None:
    runs.write("test_wrong.py", f"import pytest\n@pytest.mark.udp_seeds{mark}\ndef test_it(): pass")
    done = runs.run()
    assert re.search(told, done.stdout), done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.returncode == pytest.ExitCode.INTERRUPTED


def test_what_cannot_be_repeated_is_said_and_not_left_out(runs: Runs) -> None:
    runs.write(
        "test_class.py",
        """
        import pytest, unittest

        @pytest.mark.udp_seeds(3)
        class Old(unittest.TestCase):
            def test_it(self): pass
        """,
    )
    done = runs.run()
    assert "test_class.py::Old::test_it cannot be repeated: pytest repeats no methods of" in done.stderr
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--udp-seeds 0 is not usable: expected a number from 1 on" in runs.run("--udp-seeds=0").stderr


def test_the_marker_and_the_fixtures_are_listed(runs: Runs) -> None:
    assert "@pytest.mark.udp_seeds(count, first=1): repeat the test" in runs.run("--markers").stdout
    listed = runs.run("--fixtures").stdout
    assert all(name in listed for name in ("udp_seed", "udp_server", "udp_relay", "udp_link"))
    assert "Start servers on free ports" in listed


def test_endpoints_pass_a_link_and_are_closed_with_the_loop(runs: Runs) -> None:
    runs.write(
        "test_link.py",
        """
        import asyncio, gc, pytest, udpping
        from udpping.testing import FarEnd

        class Client(asyncio.DatagramProtocol):
            def __init__(self):
                self.received = asyncio.Queue()
            def datagram_received(self, data, addr):
                self.received.put_nowait(data)

        async def talk(udp_link, address):
            link = {"up": "loss=list:1", "down": "delay=5ms"}
            transport, client = await udp_link(Client, remote_addr=address, **link)
            transport.sendto(b"1")
            transport.sendto(b"2")
            assert await client.received.get() == b"2"
            return transport

        made = []

        @pytest.mark.udp_seeds(2)
        def test_it(udp_link, udp_seed):
            with FarEnd() as far:
                transport = asyncio.run(talk(udp_link, far.address))
            assert transport.is_closing()
            assert transport.seed == udp_seed

        def test_of_a_runner_that_goes_on(udp_link):
            runner = asyncio.Runner()
            with FarEnd() as far:
                made.append((runner, runner.run(talk(udp_link, far.address))))
            assert not made[0][1].is_closing()

        def test_it_was_closed():
            runner, transport = made.pop()
            runner.run(asyncio.sleep(0))
            assert transport.is_closing()
            runner.close()
            del transport
            gc.collect()

        def test_a_failure_tells_what_was_done(udp_link):
            with FarEnd() as far:
                asyncio.run(talk(udp_link, far.address))
            assert False
        """,
    )
    done = runs.run()
    assert "1 failed, 4 passed" in done.stdout, done.stdout
    link = "up loss=list:1, down delay=5ms, seed 1"
    told = rf"<udpping\.aio\.LinkTransport {link}: closed>\n    up: 2 received"
    assert re.search(told, done.stdout), done.stdout
