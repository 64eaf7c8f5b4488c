"""Answers calls that come as lines of JSON: `python -m udpping._mesh._serve` is a host of `LocalHosts`."""

import asyncio
import json
import os
import signal
import sys
from threading import Lock, Thread
from typing import Any, cast

from udpping._mesh._worker import PARTS, answer


def serve() -> None:
    """Answer the calls that come as lines of JSON on stdin, on stdout, until stdin ends."""
    # Ctrl-C in a terminal is for the program that asks, which then closes stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines, lock = os.fdopen(os.dup(1), "w", encoding="utf-8"), Lock()
    os.dup2(2, 1)  # Whatever else prints must not come between.
    loop = asyncio.new_event_loop()
    Thread(target=loop.run_forever, name="udpping-mesh-calls", daemon=True).start()

    async def reply(call: "dict[str, Any]") -> None:
        line = json.dumps({"id": call["id"], **await answer(call["call"], call["args"])})
        with lock:
            print(line, file=lines, flush=True)

    for line in sys.stdin:
        asyncio.run_coroutine_threadsafe(reply(cast("dict[str, Any]", json.loads(line))), loop)
    for part in list(PARTS.values()):
        part.close()


if __name__ == "__main__":
    serve()
