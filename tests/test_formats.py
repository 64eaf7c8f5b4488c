"""What irtt, fping and ping really printed, with counts that were made by hand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import udpping
from udpping import stats

DATA = Path(__file__).parent / "data"

# File: for each target the marks of its pings (. reply, x timeout, u unreachable), and duplicates of all.
COUNTED = {
    "irtt.json": ({"127.0.0.1:22113": "..x....x....x.."}, 2),
    "fping_loop.txt": ({"127.0.0.1": ".....xxxxx..."}, 0),
    "fping_stamped.txt": ({"127.0.0.1": ".....xxxxx", "127.0.0.2": ".....xxxxx"}, 0),
    "fping_times.txt": ({"127.0.0.1": ".....xxxxx"}, 0),
    "fping_unreachable.txt": ({"192.0.2.3": "...", "198.51.100.7": "xxx"}, 0),
    "ping_iputils.txt": ({"127.0.0.1": "...xx..."}, 0),
    "ping_iputils_duplicates.txt": ({"192.0.2.255": "..."}, 2),
    "ping_iputils_stamped.txt": ({"127.0.0.1": "...xx..."}, 0),
    "ping_iputils_unreachable.txt": ({"198.51.100.7": "uuu"}, 0),
    "ping_iputils_v6.txt": ({"::1": "..."}, 0),
}
MARKS = {"reply": ".", "timeout": "x", "unreachable": "u"}


def marks(run: udpping.Run) -> dict[str, str]:
    return {
        target: "".join(MARKS[row.status] for row in run if row.target == target) for target in run.targets
    }


@pytest.mark.parametrize("name", COUNTED)
def test_counts(name: str) -> None:
    run = udpping.load(DATA / name)
    assert (marks(run), run.summary.duplicates) == COUNTED[name]
    assert run.settings["made_by"] in name
    again = udpping.load(run.to_csv(metadata=True))
    assert (again, again.summary, again.settings) == (run, run.summary, run.settings)


def test_every_recorded_file_is_counted() -> None:
    assert sorted(path.name for path in DATA.iterdir()) == sorted(COUNTED)


def test_times_of_lines() -> None:
    row = udpping.load(DATA / "ping_iputils_stamped.txt").row(0)
    assert (row.sent_ns, row.sent_wall_ns, row.rtt_ns, row.ttl, row.bytes) == (
        *(0, 1_795_635_909_919_592_000 - 30_000, 30_000),
        *(64, 64),
    )
    bare = udpping.load(DATA / "ping_iputils.txt").row(0)
    assert (bare.run, bare.sent_ns, bare.sent_wall_ns, bare.rtt_ns) == (None, None, None, 25_000)


def test_irtt_s_own_sums() -> None:
    summary = udpping.load(DATA / "irtt.json").summary
    assert (summary.rtt_min_ns, summary.rtt_median_ns, summary.rtt_max_ns) == (230_603, 276_594.5, 3_852_643)
    assert round(summary.rtt_avg_ns or 0) == 578_977


def test_ping_of_other_systems() -> None:
    told = (
        "PING 192.0.2.1 (192.0.2.1): 56 data bytes\n"
        "64 bytes from 192.0.2.1: {}seq=0 ttl=64 time=1.000 ms\n"
        "64 bytes from 192.0.2.1: {}seq=2 ttl=64 time=2.5 ms\n"
        "64 bytes from 192.0.2.1: {}seq=2 ttl=64 time=9.5 ms (DUP!)\n"
        "64 bytes from 192.0.2.1: {}seq=1 ttl=64 time=1200 ms\n"
        "\n--- 192.0.2.1 ping statistics ---\n5 packets transmitted, 3 packets received, 40% packet loss\n"
    )
    for prefix in ("", "icmp_"):
        run = udpping.load(told.replace("{}", prefix))
        assert marks(run) == {"192.0.2.1": "...xx"}
        assert (run.summary.reordered, run.summary.duplicates) == (1, 1)
    macos = told.replace("{}", "icmp_").replace("\n--- ", "Request timeout for icmp_seq 3\n\n--- ")
    assert marks(udpping.load(macos)) == {"192.0.2.1": "...xx"}


def test_numbers_of_ping_go_round() -> None:
    lines = "".join(f"64 bytes from a: icmp_seq={seq % 65536} ttl=9 time=1 ms\n" for seq in range(1, 65600))
    run = udpping.load("PING a (192.0.2.1) 56(84) bytes of data.\n" + lines)
    assert (len(run), run.row(-1).seq, run.summary.lost) == (65599, 65599, 0)


def test_fping_s_json() -> None:
    told = (
        '{"resp": {"host": "a", "seq": 0, "size": 64, "rtt": 0.25}}\n'
        '{"timeout": {"host": "a", "seq": 1}}\n'
        '{"summary": {"host": "a", "xmt": 3, "rcv": 1, "loss": 66}}\n'
    )
    run = udpping.load(told)
    assert marks(run) == {"a": ".xx"}
    assert run.row(0).rtt_ns == 250_000


@pytest.mark.parametrize(
    "command", [["ping", "-c", "2", "-i", "0.2", "127.0.0.1"], ["fping", "-C", "2", "-p", "50", "127.0.0.1"]]
)
def test_the_installed_programs(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} may not send here: {done.stderr.strip()[:80]}")
    assert marks(udpping.load(done.stdout)) == {"127.0.0.1": ".."}


@pytest.mark.parametrize("path", sorted(DATA.iterdir()), ids=lambda path: path.name)
def test_what_other_programs_measured_can_be_summed_up_fitted_and_shown(path: Path) -> None:
    run = udpping.load(path)
    assert stats.loss(run).lost == run.summary.lost
    assert stats.round_trip(run).count == run.summary.received
    assert stats.loss_runs(run).lost == run.summary.lost
    assert len(stats.loss_periods(run)) == stats.loss_runs(run).runs
    assert len(stats.rolling(run, pings=2)) > 0
    assert len(stats.Pings(run)) == run.summary.sent
    assert udpping.fit(run).lost == run.summary.lost
    timed = run["sent_ns"].null_count < len(run)
    html = run._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert ("<svg" in html) == timed
    assert ("not known when" in html) != timed
    if run.summary.received and timed:
        assert stats.jitter(run).count == run.summary.received - len(run.targets)
    elif not timed:
        with pytest.raises(udpping.ConfigError, match="table without sent_ns"):
            stats.jitter(run)
