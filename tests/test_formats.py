"""What irtt, fping and ping really printed, with counts that were made by hand."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import udpping
from udpping import stats

pytestmark = [pytest.mark.python, pytest.mark.untimed]

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
        "\n--- 192.0.2.1 ping statistics ---\n"
        "5 packets transmitted, 3 packets received, +1 duplicates, 40% packet loss\n"
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


WINDOWS = """\

Pinging host.example [192.0.2.1] with 32 bytes of data:
Reply from 192.0.2.1: bytes=32 time=12ms TTL=57
Request timed out.
Reply from 192.0.2.9: Destination host unreachable.
Reply from 192.0.2.1: bytes=32 time<1ms TTL=57
General failure.
Reply from 192.0.2.9: TTL expired in transit.

Ping statistics for 192.0.2.1:
    Packets: Sent = 6, Received = 4, Lost = 2 (33% loss),
Approximate round trip times in milli-seconds:
    Minimum = 0ms, Maximum = 12ms, Average = 6ms
"""


def test_ping_of_windows() -> None:
    run = udpping.load(WINDOWS)
    assert [(row.seq, row.status, row.rtt_ns, row.source) for row in run] == [
        (0, "reply", 12_000_000, "192.0.2.1"),
        (1, "timeout", None, None),
        (2, "unreachable", None, "192.0.2.9"),
        (3, "reply", 0, "192.0.2.1"),
        (4, "error", None, None),
        (5, "unreachable", None, "192.0.2.9"),
    ]
    assert (run.targets, run.row(0).ttl, run.row(0).bytes) == (("host.example",), 57, 32)
    # Stopped at once, so that the last one was still on its way; and over IPv6, which tells less.
    stopped = WINDOWS.replace("Sent = 6", "Sent = 7").replace("Lost = 2", "Lost = 3")
    assert udpping.load(f"{stopped}Control-C\n^C\n") == run
    six = udpping.load(
        "Pinging ::1 with 32 bytes of data:\nReply from ::1: time<1ms\nReply from ::1: time=3ms\n"
    )
    assert [(row.status, row.rtt_ns, row.ttl) for row in six] == [
        ("reply", 0, None),
        ("reply", 3_000_000, None),
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("Request timed out.\n", "", "5 lines with 4 answers"),
        ("Received = 4", "Received = 5", "6 lines with 4 answers"),
        ("bytes=32 time=12ms TTL=57", "Bytes=32 Zeit=12ms TTL=57", "line 3: 'Reply from 192.0.2.1: Bytes"),
        ("TTL=57", "TTL=257", "0 to 255"),
        ("General failure.\n", "Pinging other with 32 bytes of data:\n", "line 11: 1 lines with 1 answers"),
    ],
)
def test_windows_lines_that_do_not_fit_are_told(old: str, new: str, complaint: str) -> None:
    with pytest.raises(udpping.ConfigError, match=complaint):
        udpping.load(WINDOWS.replace(old, new))


def test_options_of_ping_and_fping() -> None:
    verbose = "64 bytes from a: icmp_seq=1 ident=11849 ttl=64 time=0.25 ms\n"
    assert [(row.rtt_ns, row.ttl) for row in udpping.load(verbose)] == [(250_000, 64)]
    macos = (
        "PING6(56=40+8+8 bytes) ::1 --> ::1\n"
        "16 bytes from ::1, icmp_seq=0 hlim=64 time=0.078 ms\n"
        "Request timeout for icmp_seq 1\n"
        "\n--- ::1 ping6 statistics ---\n2 packets transmitted, 1 packets received, 50.0% packet loss\n"
    )
    assert marks(udpping.load(macos)) == {"::1": ".x"}
    fping = "[2026-05-06T12:00:00+0200] a : [0], 64 bytes, 0.25 ms (0.25 avg, 0% loss) (TTL 57)\n"
    assert [(row.rtt_ns, row.ttl, row.sent_ns) for row in udpping.load(fping)] == [(250_000, 57, None)]
    stamped = '{"resp": {"timestamp": "1795657728.77785", "host": "a", "seq": 0, "rtt": 0.25, "ttl": -1}}'
    row = udpping.load(stamped).row(0)
    assert (row.sent_wall_ns, row.ttl) == (1_795_657_728_777_850_000 - 250_000, None)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("16 bytes from a: icmp_seq=1 ttl=64", "line 1: .*16 bytes .-s."),
        ("64 Bytes von a: icmp_seq=1 ttl=64 Zeit=1 ms", "LC_ALL=C"),
        ("64 bytes from a: icmp_seq=1 ttl=64 time=-1 ms", "line 1: .*expected milliseconds"),
    ],
)
def test_lines_of_ping_that_tell_too_little(line: str, complaint: str) -> None:
    with pytest.raises(udpping.ConfigError, match=complaint):
        udpping.load(line + "\n")


def test_whatever_can_hold_text(tmp_path: Path) -> None:
    told = b"PING a (192.0.2.1) 56(84) bytes of data.\n64 bytes from a: icmp_seq=1 ttl=64 time=1.5 ms\n"
    run, path = udpping.load(told.decode()), tmp_path / "ping.txt"
    path.write_bytes(told)
    assert udpping.load(told) == run
    assert udpping.load(bytes(path)) == run
    assert udpping.load(gzip.compress(told)) == run
    assert udpping.load(io.BytesIO(told)) == udpping.load(io.StringIO(told.decode())) == run
    with path.open() as file:
        assert udpping.load(file) == run
    path.write_bytes(told.decode().replace("\n", "\r\n").encode("utf-16"))  # PowerShell's `>`
    assert udpping.load(path) == run
    with pytest.raises(udpping.ConfigError, match="it is empty"):
        udpping.load(io.StringIO(" \n"))
    with pytest.raises(udpping.ConfigError, match="Parquet in a file"):
        udpping.load(b"PAR1\n")


def test_a_pipe_is_a_file() -> None:
    program = "import udpping; print(len(udpping.load('/dev/stdin')))"
    told = "a : [0], 64 bytes, 0.25 ms (0.25 avg, 0% loss)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], input=told, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"


def test_a_huge_file_of_something_else_is_not_read_to_its_end() -> None:
    """There is no end to this one."""
    with pytest.raises(udpping.ConfigError, match="begins as none of them"):
        udpping.load("/dev/zero")


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
    if run.summary.received and run["arrival"].null_count == len(run):
        with pytest.raises(udpping.ConfigError, match="table without arrival or sent_ns"):
            stats.jitter(run)
    else:
        assert stats.jitter(run).count == sum(max(0, each.received - 1) for each in run.summaries)
