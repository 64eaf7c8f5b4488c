"""The engine for the workers of a Dask cluster: `pip install "udpping[mesh]"`."""

from typing import TYPE_CHECKING, Any

from udpping._mesh._engine import LoopEngine
from udpping.errors import ConfigError, NetworkError

if TYPE_CHECKING:
    from typing import TypeAlias

    Client: TypeAlias = Any
    """`distributed.Client`, which may not be installed."""


async def packed(name: str, args: "dict[str, Any]") -> bytes:
    """Run a call in a worker; the answer is packed, as it travels through the scheduler."""
    import json
    import zlib

    from udpping._mesh._worker import answer

    return zlib.compress(json.dumps(await answer(name, args)).encode(), 1)


class DaskHosts(LoopEngine):
    """The workers of a cluster. Calls are coroutines in their event loops, so that no task waits for them."""

    def __init__(self, client: "Client | str") -> None:
        self._own = isinstance(client, str)
        try:
            import distributed
        except ImportError:
            raise ConfigError(
                'a mesh of Dask workers needs dask and distributed: pip install "udpping[mesh]"'
            ) from None
        make: Client = distributed.Client
        if isinstance(client, str):
            try:
                client = make(client, timeout=CONNECT, set_as_default=False)
            except (OSError, ValueError) as error:
                raise NetworkError(f"cannot connect to the scheduler at {client}: {error}") from None
        self._client: Client = client
        if self._client.asynchronous:
            raise ConfigError("client is asynchronous, and mesh waits: make one without asynchronous=True")
        self._workers: dict[str, str] = {}
        self.loop = self._client.loop.asyncio_loop

    def hosts(self) -> "dict[str, str]":
        """Give the names of the workers, each with the address that it has told the scheduler."""
        # What the client has cached may be old, and shows a few workers only.
        facts: dict[str, Any] = self._client.sync(self._client.scheduler.identity, n_workers=-1)
        found = {str(worker["name"]): address for address, worker in facts["workers"].items()}
        self._workers = found
        return {str(worker["name"]): worker["host"] for worker in facts["workers"].values()}

    async def ask(self, host: str, name: str, args: "dict[str, Any]") -> "dict[str, Any]":
        """Carry a call to a worker."""
        import json
        import zlib

        if host not in self._workers:
            raise NetworkError("the scheduler no longer has this worker")
        try:
            # A coroutine does not hold up the loop of the worker, as a function would.
            address = self._workers[host]
            answers = await self._client.run(packed, name, args, workers=[address])
        except Exception as error:  # noqa: BLE001 - it raises what it likes
            # Of what fails before the call, the scheduler tells the text alone.
            if "ModuleNotFoundError" in f"{error!r}":
                raise ConfigError(
                    f"it cannot import udpping: install the same version there ({error})"
                ) from None
            raise NetworkError(f"the worker cannot be reached: {error}") from None
        found: dict[str, Any] = json.loads(zlib.decompress(answers[address]))
        return found

    def stop(self) -> None:
        """Close the client, if it was opened here."""
        if self._own:
            self._client.close()


CONNECT = 10
"""Seconds to wait for the scheduler."""
