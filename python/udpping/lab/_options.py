"""The command line of the course's programs: the profile first, as it decides what else there is."""

import sys
from importlib import import_module
from pathlib import Path

from udpping._options import Parser
from udpping.lab import SCRIPTS, names, profile
from udpping.lab._program import Program, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from udpping.lab.compat import World

    Originally = Callable[["World", Program], None]


class Original(Program):
    """A program as its source has it, bugs included."""

    def __init__(self, original: "Originally", program: Program) -> None:
        super().__init__()
        self.original = original
        self.program = program

    def run(self) -> int:
        """Do as the original does, to the exit code."""
        from udpping.lab.compat import on_the_network

        return on_the_network(self.original, self.program)


def read(script: str, words: list[str] | None, default: str) -> Program:
    """Make a script's program as the words of its command line ask for."""
    words = sys.argv[1:] if words is None else words
    name = chosen(words) or default
    kind: type[Program] = getattr(profile(name), SCRIPTS[script])
    program = kind()
    program.script = Path(script).stem
    parser = Parser(script, program.purpose)
    parser.add_argument("--profile", metavar="NAME", help=f"one of {', '.join(names())} ({default})")
    parser.add_argument(
        "--compat-bugs", action="store_true", help="bring the bugs of the original back, and say so"
    )
    program.options(parser)
    options = parser.parse_args(words)
    options.check(options)
    program.settle(options)
    return with_bugs(name, program, SCRIPTS[script]) if options.compat_bugs else program


def chosen(words: list[str]) -> str | None:
    """Find the profile on a command line before its other words can be understood."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word == "--profile":
            return following
        if word.startswith("--profile="):
            return word.partition("=")[2]
    return None


def with_bugs(name: str, program: Program, kind: str) -> Program:
    """Put the original in the program's place, if it has bugs that are known."""
    found = original(name, kind)
    if found is None:
        why = f"no bugs are known of this program of the profile {name}"
        note(f"{program.script}: --compat-bugs changes nothing: {why}")
        return program
    note(f"{program.script}: --compat-bugs: like the original, {found.__doc__}")
    return Original(found, program)


def original(name: str, kind: str) -> "Originally | None":
    """Find what behaves as the original of a profile's program."""
    try:
        found: dict[str, Originally] = import_module(f"udpping.lab.compat.{name}").ORIGINALS
    except ModuleNotFoundError:
        return None
    return found.get(kind)
