"""The plugin for pytest: bad networks that are closed when a test is over, and tests repeated over seeds.

pytest finds it where udpping is installed (`pip install 'udpping[pytest]'`). It imports nothing of udpping
before a test asks for it. docs/testing.md shows it.
"""

import os
import shlex
from itertools import count

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
    from typing import Any

    import udpping

FIRST = 1
"""The seed of a test that has none: it is the same at each run."""
APART = 1 << 32
"""From the seed of one thing of a test to that of the next of its kind: they lose other datagrams."""


class Made:
    """The seed of a test, and what was made with it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.things: list[Any] = []

    def options(self, options: "dict[str, Any]", before: int) -> "dict[str, Any]":
        """Give the options with a seed, if they have none; so many of this kind were made before."""
        return {"seed": self.seed + APART * before, **options}

    def told(self, replay: str) -> "Iterator[str]":
        yield f"seed {self.seed}; this repeats it:"
        yield f"    {replay} --udp-seed={self.seed}"
        for thing in self.things:
            yield repr(thing)
            yield from (f"    {line}" for line in repr(thing.counters).splitlines())


MADE = pytest.StashKey[Made]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("udpping")
    group.addoption(
        "--udp-seed", type=int, metavar="SEED", help="the one seed of all bad networks, as a failure tells it"
    )
    group.addoption(
        "--udp-seeds", type=int, metavar="COUNT", help="so many seeds for each test that is marked udp_seeds"
    )


def pytest_configure(config: pytest.Config) -> None:
    count = config.getoption("udp_seeds")
    if count is not None and count < 1:
        raise pytest.UsageError(f"--udp-seeds {count} is not usable: expected a number from 1 on")
    config.addinivalue_line(
        "markers",
        "udp_seeds(count, first=1): repeat the test with so many seeds of its bad networks, the first of "
        "which is `first`; the fixture udp_seed tells it",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    mark = metafunc.definition.get_closest_marker("udp_seeds")
    if mark is None:
        return
    if "udp_seed" not in metafunc.fixturenames:
        metafunc.fixturenames.append("udp_seed")
    seeds = [*seeds_of(mark, metafunc.config)]
    metafunc.parametrize("udp_seed", seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


def seeds_of(mark: pytest.Mark, config: pytest.Config) -> "Iterable[int]":
    def read(count: int, *, first: int = FIRST) -> "Iterable[int]":
        one, count = config.getoption("udp_seed"), config.getoption("udp_seeds") or count
        if count < 1:
            raise ValueError
        return [one] if one is not None else range(first, first + count)

    try:
        return read(*mark.args, **mark.kwargs)
    except (TypeError, ValueError):
        given = ", ".join(
            [*map(repr, mark.args), *(f"{key}={value!r}" for key, value in mark.kwargs.items())]
        )
        pytest.fail(
            f"udp_seeds({given}) is not usable: expected how many seeds, from 1 on, and perhaps the first: "
            "udp_seeds(20) or udp_seeds(20, first=100)",
            pytrace=False,
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("udp_seeds") is not None and not hasattr(item, "callspec"):
            raise pytest.UsageError(
                f"{item.nodeid} cannot be repeated: pytest repeats no methods of unittest.TestCase, so write "
                "a function, or a loop with self.subTest(seed=seed)"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> "Generator[None, pytest.TestReport, pytest.TestReport]":
    report = yield
    made = item.stash.get(MADE, None)
    if report.failed and made is not None:
        file = os.path.relpath(item.path, item.config.invocation_params.dir)
        test = shlex.quote(f"{file}::{item.nodeid.partition('::')[2]}")
        report.sections.append(("udpping", "\n".join(made.told(f"pytest {test}"))))
    return report


@pytest.fixture
def udp_seed(request: pytest.FixtureRequest) -> int:
    """Give the seed of this test: that of its mark `udp_seeds`, or of --udp-seed, or 1."""
    asked = request.config.getoption("udp_seed")
    seed: int = getattr(request, "param", FIRST if asked is None else asked)
    request.node.stash[MADE] = Made(seed)
    return seed


def made_with(request: pytest.FixtureRequest, seed: int) -> Made:
    item: pytest.Item = request.node
    return item.stash.setdefault(MADE, Made(seed))


@pytest.fixture
def udp_server(request: pytest.FixtureRequest, udp_seed: int) -> "Iterator[Callable[..., udpping.Server]]":
    """Start servers on free ports, with a log; the keywords are those of `udpping.Server`."""
    import udpping

    def make(**options: "Any") -> udpping.Server:  # noqa: ANN401 - the keywords of a server
        settings: dict[str, Any] = {"port": 0, "record": True} | options
        return udpping.Server(**settings)

    yield from running(made_with(request, udp_seed), make)


@pytest.fixture
def udp_relay(request: pytest.FixtureRequest, udp_seed: int) -> "Iterator[Callable[..., udpping.Relay]]":
    """Start relays on free ports; what they take is that of `udpping.Relay`, the target first."""
    import udpping

    yield from running(made_with(request, udp_seed), udpping.Relay)


def running(made: Made, make: "Callable[..., Any]") -> "Iterator[Callable[..., Any]]":
    """Start what is made, and stop all of it at the end."""
    from contextlib import ExitStack

    with ExitStack() as until_end:
        before = count()

        def start(*where: object, **options: object) -> object:
            thing = until_end.enter_context(make(*where, **made.options(options, next(before))))
            made.things.append(thing)
            return thing

        yield start


@pytest.fixture
def udp_link(
    request: pytest.FixtureRequest, udp_seed: int
) -> "Iterator[Callable[..., Awaitable[tuple[udpping.aio.LinkTransport, Any]]]]":
    """Open endpoints as `udpping.aio.create_datagram_endpoint` does, and close them at the end."""
    import asyncio

    from udpping import aio

    made = made_with(request, udp_seed)
    guards: list[asyncio.Task[bool]] = []

    async def start(protocol_factory: "Callable[[], Any]", **options: "Any") -> "tuple[Any, Any]":  # noqa: ANN401
        transport, protocol = await aio.create_datagram_endpoint(
            protocol_factory, **made.options(options, len(guards))
        )
        made.things.append(transport)
        # The end of a loop cancels its tasks, and this one closes the endpoint then.
        guard = asyncio.create_task(asyncio.Event().wait(), name="udp_link")
        guard.add_done_callback(lambda _: transport.abort())
        guards.append(guard)
        return transport, protocol

    yield start
    for guard in guards:
        if not guard.get_loop().is_closed():
            guard.cancel()
