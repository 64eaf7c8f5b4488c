"""Results in files: equal when they come back, and no failure destroys what was there before."""

from __future__ import annotations

import copy
import gzip
import io
import json
import operator
import os
import pickle
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import udpping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.python, pytest.mark.untimed]

FORMS = ["csv", "json", "parquet"]


@pytest.fixture(scope="module")
def run() -> udpping.Run:
    """Give a run with replies, late ones and losses."""
    return udpping.sim.ping(
        count=300, interval=0.01, loss="20%", delay="uniform:1ms,60ms", timeout=0.05, seed=3
    )


def writer(run: udpping.Run, form: str) -> Callable[[Any], None]:
    """Give what writes this form, with the settings."""
    if form == "parquet":
        pytest.importorskip("pyarrow", reason="has no wheel for this Python")
        return run.to_parquet
    write: Callable[..., None] = getattr(run, f"to_{form}")
    return lambda path: write(path, metadata=True)


def same(loaded: udpping.Run, run: udpping.Run) -> bool:
    """Whether everything came back, and not only the rows."""
    return (
        loaded == run
        and run == loaded
        and loaded.settings == run.settings
        and loaded.summary == run.summary
        and loaded.summaries == run.summaries
        and loaded.seed == run.seed
        and repr(loaded) == repr(run)
        and type(loaded) is type(run)
    )


def measured() -> Iterator[udpping.Run]:
    """Give runs of every kind that is not simulated."""
    with udpping.Server(port=0, loss="30%", seed=1) as one, udpping.Server(port=0, loss=1) as deaf:
        targets: list[str | tuple[str, int]] = [one.address, deaf.address, ("127.0.0.1", 9)]
        yield udpping.ping_many(targets, count=20, interval=0.005, timeout=0.05)
        options: dict[str, Any] = {
            "message": "caf\xe9 \u05d0 {seq} {time}",
            "schedule": "poisson",
            "seed": 2**53 - 1,
        }
        yield udpping.ping(*one.address, count=20, interval=0.002, timeout=0.05, **options)
        with udpping.Pinger(*one.address, count=None, interval=0.001, timeout=0.05) as pinger:
            for _ in range(30):
                next(pinger)
            yield pinger.so_far()


@pytest.mark.parametrize("form", FORMS)
def test_a_run_comes_back_with_all_that_is_known_of_it(form: str, run: udpping.Run, tmp_path: Path) -> None:
    for number, each in enumerate([run, *measured()]):
        path = tmp_path / f"{number}.{form}"
        writer(each, form)(path)
        assert same(udpping.load(path), each)


def test_settings_go_through_json_pickle_and_copy_and_cannot_be_changed(run: udpping.Run) -> None:
    settings = run.settings
    for again in (
        json.loads(json.dumps(settings)),
        pickle.loads(pickle.dumps(settings)),  # noqa: S301 - our own
        copy.copy(settings),
        copy.deepcopy(settings),
        dict(settings),
    ):
        assert again == settings
        assert again is not settings
    assert list(settings) == list(dict(settings))
    free = settings | {"count": 1}
    free["timeout"] = 2.0
    changes: list[Callable[[Any], object]] = [
        lambda it: it.update(count=1),
        lambda it: it.clear(),
        lambda it: it.pop("count"),
        lambda it: it.popitem(),
        lambda it: it.setdefault("more", 1),
        lambda it: operator.setitem(it, "count", 1),
        lambda it: operator.delitem(it, "count"),
        lambda it: it.__ior__({"count": 1}),
    ]
    for each in (settings, copy.deepcopy(settings)):
        for change in changes:
            with pytest.raises(TypeError, match=r"change a copy, dict\(run\.settings\)"):
                change(each)
    assert settings == run.settings
    udpping.sim.ping(count=1).settings["clocks"]["shown"] = "none"
    assert udpping.sim.ping(count=1).settings["clocks"]["shown"] == "wall"


def test_runs_are_equal_when_their_rows_are(run: udpping.Run) -> None:
    """Equality is that of the tables; settings and summaries are compared by their own names."""
    bare = udpping.load(run.to_csv())
    assert bare == run
    assert run == bare
    assert not bare.settings
    assert bare.settings != run.settings
    longer = udpping.sim.ping(
        count=301, interval=0.01, loss="20%", delay="uniform:1ms,60ms", timeout=0.05, seed=3
    )
    assert longer != run
    assert run != longer
    other = udpping.load(run.to_csv().replace(",timeout,", ",error,", 1))
    assert (other == run, run == other) == (False, False)
    assert run != run.to_csv()


@pytest.mark.parametrize("form", FORMS)
def test_any_path_is_a_path(form: str, run: udpping.Run, tmp_path: Path) -> None:
    write = writer(run, form)
    paths = [str(tmp_path / "a"), tmp_path / "b", os.fsencode(tmp_path / "c"), str(tmp_path / "\udcff\u05d0")]
    for path in paths:
        write(path)
    assert len({name.read_bytes() for name in tmp_path.iterdir()}) == 1
    assert len(list(tmp_path.iterdir())) == len(paths)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("path", [3, "", b"", "a\0b"], ids=["3", "empty", "no bytes", "0"])
def test_what_is_no_path_is_refused(form: str, path: object, run: udpping.Run) -> None:
    with pytest.raises(udpping.ConfigError, match=r"path .* is not usable: expected the path of a file"):
        writer(run, form)(path)


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_open_is_written_to(form: str, run: udpping.Run, tmp_path: Path) -> None:
    write = writer(run, form)
    write(tmp_path / "path")
    content = (tmp_path / "path").read_bytes()
    with tempfile.NamedTemporaryFile() as named, io.BytesIO() as memory:
        for file in named, memory:
            file.write(b"before")
            write(file)
            file.seek(0)
            assert file.read() == b"before" + content
    words: dict[str, Any] = {"encoding": "utf-8", "newline": ""}
    with tempfile.NamedTemporaryFile("w+", **words) as named_text, io.StringIO(newline="") as text:
        for each in named_text, text:
            if form == "parquet":
                with pytest.raises(udpping.ConfigError, match=r"path .* is not usable"):
                    write(each)
                continue
            write(each)
            each.seek(0)
            assert each.read().encode() == content


@pytest.mark.parametrize("form", FORMS)
def test_a_path_that_cannot_be_written_is_told(form: str, run: udpping.Run, tmp_path: Path) -> None:
    write = writer(run, form)
    for path, error in ((tmp_path / "no/x", FileNotFoundError), (tmp_path, IsADirectoryError)):
        with pytest.raises(error) as told:
            write(path)
        assert told.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_is_told(form: str, run: udpping.Run) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError, match=r"[Nn]o space left on device"):
        writer(run, form)("/dev/full")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_text_is_packed_where_the_name_says_so(form: str, run: udpping.Run, tmp_path: Path) -> None:
    write, path = writer(run, form), tmp_path / f"run.{form}.gz"
    write(path)
    assert same(udpping.load(path), run)
    write(tmp_path / "plain")
    assert gzip.decompress(path.read_bytes()) == (tmp_path / "plain").read_bytes()
    assert path.stat().st_size < (tmp_path / "plain").stat().st_size / 3


HELD = """
import os, resource, sys, udpping
run = udpping.sim.ping(count=50_000, seed=1)
{trouble}
try:
    run.to_{form}(sys.argv[1])
except {error} as error:
    print("told")
"""
TROUBLES = {
    # As a disk that is full: what is beyond is refused (EFBIG), and the signal for it is ignored.
    "OSError": "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))",
    # Ctrl-C in the middle of it.
    "KeyboardInterrupt": "class Core:\n"
    "    def __init__(self, core): self.core, self.calls = core, 0\n"
    "    def __len__(self): return len(self.core)\n"
    "    def __getattr__(self, name): return getattr(self.core, name)\n"
    "    def lines(self, which, *at):\n"
    "        self.calls += 1\n"
    "        if self.calls == 3: raise KeyboardInterrupt\n"
    "        return getattr(self.core, which)(*at)\n"
    "    def csv_lines(self, *at): return self.lines('csv_lines', *at)\n"
    "    def json_lines(self, *at): return self.lines('json_lines', *at)\n"
    "run._core = Core(run._core)",
}


FAILURES = [*((form, error) for form in ("csv", "json") for error in TROUBLES), ("parquet", "OSError")]


@pytest.mark.parametrize(("form", "error"), [*FAILURES, ("polars", "OSError")])
def test_a_failure_leaves_what_was_there(form: str, error: str, run: udpping.Run, tmp_path: Path) -> None:
    trouble, path = TROUBLES[error], tmp_path / "run"
    if form == "polars":
        pytest.importorskip("polars", reason="has no wheel for this Python")
        trouble, form = f"sys.modules['pyarrow'] = None\n{trouble}", "parquet"
    writer(run, form)(path)
    program = HELD.format(trouble=trouble, form=form, error=error)
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=False)
    assert done.stdout == "told\n", done.stderr
    assert same(udpping.load(path), run)
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_replaced_keeps_its_mode_and_its_link(run: udpping.Run, tmp_path: Path) -> None:
    path, link = tmp_path / "run.csv", tmp_path / "latest"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    run.to_csv(link)
    assert link.is_symlink()
    assert udpping.load(path) == run
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    run.to_csv(tmp_path / "new.csv")
    (tmp_path / "plain").touch()
    assert (tmp_path / "new.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_pipe_is_written_to_and_not_replaced() -> None:
    program = "import udpping; udpping.sim.ping(count=3, seed=1).to_csv('/dev/stdout')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == udpping.sim.ping(count=3, seed=1).to_csv()


@pytest.mark.parametrize("form", FORMS)
def test_the_locale_changes_nothing(form: str, tmp_path: Path) -> None:
    run = udpping.sim.ping(count=3, reply="caf\xe9 \u05d0 {seq}", seed=1)
    writer(run, form)(tmp_path / "here")
    write = f"to_{form}({'sys.argv[1]' if form == 'parquet' else 'sys.argv[1], metadata=True'})"
    program = (
        "import sys, udpping\n"
        f"run = udpping.sim.ping(count=3, reply='caf\\xe9 \\u05d0 {{seq}}', seed=1); run.{write}\n"
        "assert udpping.load(sys.argv[1]) == run\n"
        "print(run, run['reply'])"
    )
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program, str(tmp_path / "there")]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there").read_bytes() == (tmp_path / "here").read_bytes()


def printed(*pings: str) -> str:
    """Give what `udpping ping --json` prints of pings."""
    start = '{"schema": 1, "type": "start", "target": "a", "address": "192.0.2.1:7", "count": 2}'
    return "\n".join([start, *pings, '{"schema": 1, "type": "summary", "target": "a", "foreign": 3}', ""])


def ping(seq: int, status: str, rest: str = "", target: str = "a") -> str:
    """Give a line of it."""
    names = f'"run": null, "target": "{target}", "seq": {seq}, "status": "{status}", "copies": 0{rest}'
    return f'{{"schema": 1, "type": "ping", {names}}}'


def test_the_last_word_on_a_ping_of_the_command_counts() -> None:
    late = ping(1, "late", ', "rtt_ns": 7')
    lines = [ping(1, "timeout"), ping(2, "timeout"), late]
    run = udpping.load(printed(*lines))
    assert [(row.seq, row.status, row.rtt_ns) for row in run] == [(1, "late", 7), (2, "timeout", None)]
    assert (run.summary.foreign, run.settings["count"], run.settings["made_by"]) == (
        3,
        2,
        "udpping ping --json",
    )
    # Other programs may have put the names of each object into another order.
    ordered = [json.dumps(dict(sorted(json.loads(line).items()))) for line in lines]
    assert same(udpping.load(printed(*ordered)), run)
    assert same(udpping.load(printed(lines[0], ordered[1], ordered[2])), run)
    assert same(udpping.load(printed(*lines).replace("\n", "\r\n\r\n").replace(": ", ":")), run)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (ping(2, "gone"), "gone.* line 3"),
        (ping(2, "timeout", target="\\q"), "line 3"),
        (ping(2, "timeout") + "}", "line 3"),
        ("[]", "line 3"),
    ],
)
def test_a_line_of_the_command_that_cannot_be_used_is_told(line: str, words: str) -> None:
    with pytest.raises(udpping.ConfigError, match=words):
        udpping.load(printed(ping(1, "timeout"), line))
