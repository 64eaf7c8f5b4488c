"""Programs written elsewhere through a relay: what they report is what the relay did, in each direction."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import udpping
from common import wait_until
from thirdparty import SECONDS, certificate, finished, free_ports, program, started

if TYPE_CHECKING:
    from pathlib import Path

WAYS = ("up", "down")
COUNTS = (("", "sent"), ("server_", "received"), ("", "received"))
UNBOUND = """
server:
    interface: 127.0.0.1@{port}
    do-daemonize: no
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    module-config: "iterator"
    local-zone: "example." static
    local-data: "www.example. A 192.0.2.1"
remote-control:
    control-enable: no
"""
CHRONY_SERVER = """
local stratum 5
port {port}
cmdport 0
bindaddress 127.0.0.1
allow 127.0.0.1
pidfile {folder}/server.pid
"""
CHRONY_CLIENT = """
server 127.0.0.1 port {port} iburst minpoll 0 maxpoll 0
port 0
cmdport 0
pidfile {folder}/client.pid
logdir {folder}
log rawmeasurements
"""


def of(way: str, link: str) -> dict[str, Any]:
    return {way: link}


def dropped(relay: udpping.Relay, way: str) -> int:
    """Return what was lost in one direction, after a look that nothing was lost in the other or by itself."""
    counters = relay.counters
    one, other = (counters.up, counters.down) if way == "up" else (counters.down, counters.up)
    assert other.dropped == 0
    assert one.dropped > 0
    for each in (one, other):
        assert (each.kernel_drops, each.errors, each.queue_drops, each.duplicated) == (0, 0, 0, 0)
    return one.dropped


@pytest.mark.parametrize("way", WAYS)
def test_dnsperf_loses_what_the_relay_dropped(tmp_path: Path, way: str) -> None:
    port = free_ports()
    (tmp_path / "unbound.conf").write_text(UNBOUND.format(port=port))
    (tmp_path / "names").write_text("www.example A\n")
    unbound = started(tmp_path, "unbound", "-d", "-c", "unbound.conf", port=port)
    with unbound, udpping.Relay(("127.0.0.1", port), seed=1, **of(way, "loss=10%; delay=20ms")) as relay:
        told = finished(
            tmp_path, "dnsperf", "-s", "127.0.0.1", "-p", relay.address[1], "-d", "names", "-c", 1,
            "-q", 1000, "-Q", 200, "-l", 2, "-t", 5,
        )  # fmt: skip
    sent, completed, lost = (
        int(re.findall(rf"Queries {what}: +(\d+)", told)[0]) for what in ("sent", "completed", "lost")
    )
    assert lost == dropped(relay, way)
    assert (sent, completed) == (relay.counters.up.received, relay.counters.down.sent)
    assert float(re.findall(r"Average Latency \(s\): +([\d.]+)", told)[0]) >= 0.02


@pytest.mark.parametrize("way", WAYS)
def test_irtt_reports_the_losses_of_each_direction(tmp_path: Path, way: str) -> None:
    port = free_ports()
    server = started(tmp_path, "irtt", "server", "-i", "0", "-b", f"127.0.0.1:{port}", port=port)
    # Every third is lost, but the first, which opens the session. The last one closes it.
    link = of(way, "loss=every:3; delay=20ms")
    with server, udpping.Relay(("127.0.0.1", port), **link) as relay:
        host, there = relay.address
        # It opens one session, and waits for all replies, however slow the other processes are.
        patient = ("--timeouts=60s", "--wait=4s")
        finished(
            tmp_path,
            "irtt",
            "client",
            "-i",
            "10ms",
            "-d",
            "2s",
            *patient,
            "-q",
            "-o",
            "F.json",
            f"{host}:{there}",
        )
    found: dict[str, Any] = json.loads((tmp_path / "F.json").read_text())
    stats = found["stats"]
    sent, reached, back = (stats[f"{what}packets_{how}"] for what, how in COUNTS)
    lost = dropped(relay, way)
    # It sends two datagrams more, to open and to close the session; the latter is perhaps among the lost.
    # What reached the server it knows from the last reply that came, which is perhaps not the last one.
    assert relay.counters.up.received == sent + 2
    closing, last = (sent + 2) % 3 == 0, (sent + 1) % 3 == 0
    assert (sent - reached, reached - back) == ((lost - closing, 0) if way == "up" else (last, lost - last))
    delays = {key: found["stats"][f"{key}_delay"]["min"] / 1e6 for key in ("send", "receive")}
    assert delays["send" if way == "up" else "receive"] >= 20


@pytest.mark.parametrize("way", WAYS)
def test_chrony_sees_half_of_what_one_direction_takes_longer(tmp_path: Path, way: str) -> None:
    port = free_ports()
    (tmp_path / "server.conf").write_text(CHRONY_SERVER.format(port=port, folder=tmp_path))
    user = finished(tmp_path, "id", "-un").strip()
    server = started(tmp_path, "chronyd", "-x", "-d", "-U", "-u", user, "-f", "server.conf", port=port)
    with server, udpping.Relay(("127.0.0.1", port), **of(way, "delay=40ms")) as relay:
        config = CHRONY_CLIENT.format(port=relay.address[1], folder=tmp_path)
        (tmp_path / "client.conf").write_text(config)
        log = tmp_path / "measurements.log"

        def closest() -> tuple[float, float]:
            """Return offset and delay of the sample with the shortest delay."""
            lines = log.read_text().splitlines() if log.exists() else []
            rows = [line.split() for line in lines if "127.0.0.1" in line]
            return min(
                ((float(row[11]), float(row[12])) for row in rows), key=lambda row: row[1], default=(0, 1)
            )

        with started(tmp_path, "chronyd", "-x", "-d", "-U", "-u", user, "-f", "client.conf"):
            wait_until(lambda: closest()[1] < 0.06, SECONDS)
        offset, delay = closest()
    assert delay >= 0.04
    # A busy machine adds to the delay, and half of what it adds is the most by which the offset errs.
    assert abs(offset - (0.02 if way == "up" else -0.02)) < (delay - 0.04) / 2 + 0.0001


@pytest.mark.parametrize("way", WAYS)
def test_iperf3_counts_the_losses_of_each_direction(tmp_path: Path, way: str) -> None:
    port = free_ports()
    relay = udpping.Relay(("127.0.0.1", port), "127.0.0.2", port, **of(way, "loss=every:10; first=1"))
    server = started(tmp_path, "iperf3", "-s", "-1", "-B", "127.0.0.1", "-p", port, port=port, kind="tcp")
    control = started(
        tmp_path, "socat", f"TCP4-LISTEN:{port},bind=127.0.0.2,fork", f"TCP4:127.0.0.1:{port}",
        port=port, kind="tcp", host="127.0.0.2",
    )  # fmt: skip
    with server, control, relay:
        told: dict[str, Any] = json.loads(
            finished(
                tmp_path, "iperf3", "-c", "127.0.0.2", "-p", port, "-u", "-b", "1M", "-l", 200, "-t", 2, "-J",
                *(["-R"] if way == "down" else []),
            )
        )  # fmt: skip
    # What was received: at the end `-R` gives what was sent.
    sums = [told["end"]["sum_received"]] if way == "up" else [each["sum"] for each in told["intervals"]]
    packets, lost = (sum(each[key] for each in sums) for key in ("packets", "lost_packets"))
    assert packets > 100
    # The first datagram of each direction opens the test; what arrives when it is over is not counted.
    # The last that was counted has arrived.
    assert lost == (packets + 1) // 10 == packets // 10
    of_all = relay.counters.up.received if way == "up" else relay.counters.down.received
    assert lost <= dropped(relay, way) == of_all // 10


@pytest.mark.parametrize("way", WAYS)
def test_dtls_repeats_what_is_lost_of_its_handshake(tmp_path: Path, way: str) -> None:
    cert, key = certificate(tmp_path)
    port = free_ports()
    server = started(
        tmp_path, "openssl", "s_server", "-dtls1_2", "-accept", f"127.0.0.1:{port}", "-mtu", 1400,
        "-key", key, "-cert", cert, port=port,
    )  # fmt: skip
    with server, udpping.Relay(("127.0.0.1", port), **of(way, "loss=list:1,3")) as relay:
        client = subprocess.Popen(
            [program("openssl"), "s_client", "-dtls1_2", "-connect", f"127.0.0.1:{relay.address[1]}"],
            cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        with client:
            assert client.stdin
            assert client.stdout
            client.stdin.write("a line for the server\n")
            client.stdin.flush()
            log = tmp_path / f"openssl-{port}.log"
            wait_until(lambda: "a line for the server" in log.read_text(errors="replace"), SECONDS)
            assert dropped(relay, way) == 2
            client.stdin.close()
            told = client.stdout.read()
    assert "Cipher is ECDHE" in told
