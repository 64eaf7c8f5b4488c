"""Reads the command line of the course's programs: the profile first, as other options depend on it."""

import sys
from importlib import import_module
from pathlib import Path

from udpping._console import streams
from udpping._console.options import Parser, chosen_profile
from udpping.lab._profiles import SCRIPTS, names, profile
from udpping.lab._program import Program, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from udpping.lab.compat import Originals, World


class Original(Program):
    """A program as its source has it, bugs included."""

    def __init__(self, original: "Callable[[World, Program], None]", program: Program) -> None:
        super().__init__()
        self.original = original
        self.program = program

    @streams.beside()
    def run(self) -> int:
        """Run the original; return its exit code."""
        from udpping.lab.compat import on_the_network

        return on_the_network(self.original, self.program)


def read(script: str, words: list[str] | None, default: str) -> Program:
    """Make a script's program from the words of its command line."""
    words = sys.argv[1:] if words is None else words
    name = chosen_profile(words) or default
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
    program.check(parser, options)
    program.settle(options)
    return with_bugs(name, program, SCRIPTS[script]) if options.compat_bugs else program


def with_bugs(name: str, program: Program, kind: str) -> Program:
    """Replace the program by its original, if that has known bugs."""
    try:
        originals: Originals = import_module(f"udpping.lab.compat.{name}").ORIGINALS
        original, bugs = originals[kind]
    except (ModuleNotFoundError, KeyError):
        why = f"no bugs are known of this program of the profile {name}"
        note(f"{program.script}: --compat-bugs changes nothing: {why}")
        return program
    note(f"{program.script}: --compat-bugs: bugs are back: it {bugs}")
    return Original(original, program)
