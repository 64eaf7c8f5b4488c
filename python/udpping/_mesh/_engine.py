"""What carries calls to the hosts of a mesh, and the engine for processes of this machine."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

from udpping._args import checks
from udpping._args.public import PublicNames
from udpping.errors import ConfigError, NetworkError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from types import TracebackType
    from typing import Self

MOST_BYTES = 64 << 20
"""Bytes of one answer."""
START = 30.0
"""Seconds for a process to import udpping."""
END = 5.0
"""Seconds for a process to end by itself."""
LOOPBACK = "127.0.0.1"
MOST_HOSTS = 256
"""Processes on one machine."""


class Engine(Protocol):
    """What `mesh` needs of an engine: names of hosts, and calls that it carries to them."""

    def hosts(self) -> "Mapping[str, str]":
        """Give the name of each host, and the IP address where others reach it, or `""` to ask it."""
        ...

    def call(self, host: str, name: str, args: "dict[str, Any]", timeout: float) -> "Future[Any]":
        """Let a host run `udpping._mesh._worker.answer(name, args)`; give its `result`.

        It returns at once. The future raises TimeoutError after so many seconds, and NetworkError for a
        host that is gone or whose answer has an `error`.
        """
        ...


class LoopEngine:
    """An engine whose calls are coroutines in the loop of another thread."""

    loop: asyncio.AbstractEventLoop

    def call(self, host: str, name: str, args: "dict[str, Any]", timeout: float) -> "Future[Any]":
        """Begin a call."""
        if self.loop.is_closed():
            over: Future[Any] = Future()
            over.set_exception(NetworkError("the engine was stopped"))
            return over
        return self.submit(asyncio.wait_for(self._result(host, name, args), timeout))

    def submit(self, work: "Coroutine[Any, Any, Any]") -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _result(self, host: str, name: str, args: "dict[str, Any]") -> object:
        answer = await self.ask(host, name, args)
        if "error" in answer:
            raise NetworkError(answer["error"])
        return answer["result"]

    async def ask(self, host: str, name: str, args: "dict[str, Any]") -> "dict[str, Any]":
        """Give what `udpping._mesh._worker.answer` gives at a host."""
        raise NotImplementedError


class Child:
    """A process that answers calls as lines of JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.last = 0
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        import json

        stdout = self.process.stdout
        try:
            while stdout is not None and (line := await stdout.readline()):
                answer: dict[str, Any] = json.loads(line)
                if (future := self.waiting.get(answer["id"])) and not future.done():
                    future.set_result(answer)
        except (ValueError, TypeError, KeyError):  # no JSON, or a line without an end
            self.kill()
        status = await self.process.wait()
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(NetworkError(f"its process has ended (exit status {status})"))

    async def ask(self, name: str, args: "dict[str, Any]") -> "dict[str, Any]":
        import json

        if self.reader.done() or self.process.stdin is None:
            raise NetworkError(f"its process has ended (exit status {self.process.returncode})")
        self.last += 1
        number = self.last
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.waiting[number] = future
        try:
            line = json.dumps({"id": number, "call": name, "args": args})
            self.process.stdin.write(line.encode() + b"\n")
            return await future
        finally:
            del self.waiting[number]

    async def begin(self) -> None:
        """Wait for the first answer, or for the end."""
        with suppress(NetworkError):
            await self.ask("about", {"mesh": ""})

    async def end(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(asyncio.shield(self.reader), END)
        except TimeoutError:
            self.kill()
            await self.reader

    def kill(self) -> None:
        with suppress(ProcessLookupError):  # it has just ended
            self.process.kill()


class LocalHosts(LoopEngine, PublicNames):
    """Processes of this machine as the hosts of a mesh: for tests, for namespaces, and over ssh.

    * `hosts`: how many, from 1 to 256, all at 127.0.0.1; or a mapping from the name of each to the words
      before its command: `{"a": ["ip", "netns", "exec", "a"]}` for network namespaces, or `["ssh", "a"]` with
      `python="python3"` for other machines that have the same udpping. They then use the first IPv4 address
      beside the loopback, unless `mesh(..., address=...)` says which.
    * `python`: the interpreter of the hosts; `None` is this one.

    The processes run from `start()` to `stop()`, or within a `with` block. They end, too, when this program
    does. Raises ConfigError for what cannot be used, OSError for a command that cannot be run.

    >>> import udpping
    >>> with udpping.LocalHosts(3) as hosts:
    ...     print(sorted(hosts.hosts()))
    ['0', '1', '2']
    """

    def __init__(self, hosts: "int | Mapping[str, Sequence[str]]" = 3, *, python: str | None = None) -> None:
        expected = f"1 to {MOST_HOSTS} hosts, or a mapping from names to the words before a command"
        if isinstance(hosts, bool) or not isinstance(hosts, (int, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance] - a user may give any
            raise checks.refuse("hosts", hosts, expected)
        if isinstance(hosts, int):
            self._words = {str(place): list[str]() for place in range(min(hosts, MOST_HOSTS + 1))}
            self._address = LOOPBACK
        else:
            self._words = {checks.text("host", name): [*words] for name, words in hosts.items()}
            self._address = ""
        if not 1 <= len(self._words) <= MOST_HOSTS:
            raise checks.refuse("hosts", hosts, expected)
        self._python = checks.optional(checks.text)("python", python)
        self._children: dict[str, Child] = {}
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start the processes. May be called twice."""
        if self._thread is not None:
            return
        self.loop = asyncio.new_event_loop()
        self._thread = Thread(target=self.loop.run_forever, name="udpping-mesh-hosts", daemon=True)
        self._thread.start()
        try:
            self.submit(self._start()).result()
        except BaseException:
            self.stop()
            raise

    async def _start(self) -> None:
        import sys
        from asyncio.subprocess import PIPE

        # What lies in the current folder is not imported.
        command = (self._python or sys.executable, "-P", "-m", "udpping._mesh._serve")
        for name, words in self._words.items():
            process = await asyncio.create_subprocess_exec(
                *words, *command, stdin=PIPE, stdout=PIPE, limit=MOST_BYTES
            )
            self._children[name] = Child(process)
        # To import everything takes a while, and must not look like a host that is slow.
        await asyncio.wait(
            {asyncio.create_task(child.begin()) for child in self._children.values()}, timeout=START
        )

    def stop(self) -> None:
        """End the processes. May be called twice."""
        if self._thread is None:
            return
        self.submit(self._stop()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self._thread = None

    async def _stop(self) -> None:
        await asyncio.gather(*(child.end() for child in self._children.values()))
        self._children.clear()

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self.stop()

    def hosts(self) -> "dict[str, str]":
        """Give the names of the hosts, each with its address, or with `""` where the host itself knows it.

        Raises ConfigError before `start`.
        """
        if self._thread is None:
            raise ConfigError("hosts are not started: use `with` or start()")
        return dict.fromkeys(self._words, self._address)

    def pids(self) -> "dict[str, int]":
        """Give the number of each process, by the name of its host; empty before `start`."""
        return {name: child.process.pid for name, child in self._children.items()}

    async def ask(self, host: str, name: str, args: "dict[str, Any]") -> "dict[str, Any]":
        """Carry a call to a process."""
        child = self._children[host]
        return await child.ask(name, args)

    def __repr__(self) -> str:
        state = "running" if self._thread is not None else "not running"
        return f"<udpping.LocalHosts: {len(self._words)} hosts, {state}>"
