"""What the other tests brought to light on their way: each is a promise of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
import udpping
from udpping._services.session import Session
from udpping.testing import FarEnd

pytestmark = pytest.mark.python

HUGE = 2**70


@pytest.mark.parametrize(
    ("name", "value"), [("count", HUGE), ("size", HUGE), ("ttl", -HUGE), ("dscp", HUGE), ("port", HUGE)]
)
def test_a_whole_number_beyond_all_bounds_is_a_bad_value_like_any_other(name: str, value: int) -> None:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 9, name: value}
    with pytest.raises(udpping.ConfigError, match=f"^{name} {value} "):
        udpping.ping(**options)


@pytest.mark.parametrize("name", ["port", "port_tries"])
def test_a_server_s_whole_numbers_too(name: str) -> None:
    options: dict[str, Any] = {"port": 0, name: HUGE}
    with pytest.raises(udpping.ConfigError, match=f"^{name} "):
        udpping.Server(**options)


def test_ctrl_c_while_the_finished_run_is_put_together_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    put_together = Session.run

    def and_then_interrupted(session: Session) -> udpping.Run:
        monkeypatch.undo()
        run = put_together(session)
        signal.raise_signal(signal.SIGINT)
        return run

    with FarEnd() as far:
        monkeypatch.setattr(Session, "run", and_then_interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            udpping.ping(*far.address, count=3, timeout=20)
    assert isinstance(caught.value, udpping.Interrupted)
    assert caught.value.run.summary.received == 3
    assert udpping.last_run is caught.value.run


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_forked_child_may_leave_its_parent_s_server(*, begun: bool, workers: int) -> None:
    """The threads and the sockets are the parent's. The child must neither wait for them nor stop them."""
    script = (
        f"begun, workers = {begun}, {workers}"
        """
import json, os, sys, udpping
server = udpping.Server(port=0, workers=workers)
if begun:
    server.start()
child = os.fork()
if not child:
    server.stop()
    sys.exit(0)
with server:
    _, status = os.waitpid(child, 0)
    run = udpping.ping(*server.address, count=2, timeout=20)
print(json.dumps([status, run.summary.received]))
"""
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [0, 2]
