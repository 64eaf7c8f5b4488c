"""The command line: a file for each command, which is imported when it is called. Its `main` takes words."""

from udpping.cli._end import ASKING, Noted, raise_on_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from argparse import ArgumentParser
    from collections.abc import Container

COMMANDS = {
    "demo": "start a lossy server and ping it, in one process",
    "server": "answer UDP datagrams, and lose or delay some of them on purpose",
    "relay": "pass UDP datagrams between programs, and lose or delay some",
    "reflector": "answer the test packets of STAMP (RFC 8762) with their times",
    "ping": "measure round-trip times and losses to a UDP server",
    "mesh": "measure all pairs of hosts in a cluster, see who loses packets",
    "heartbeat": "send heartbeats: report that this machine, or a command, is alive",
    "monitor": "receive heartbeats: report which machines are alive or have stopped",
    "doctor": "find out why a UDP server does not answer",
    "lab": "write the programs of the networking course into a directory",
}
ANSWERING = {"server", "relay", "reflector", "ping", "heartbeat", "monitor"}
"""They print a summary when they are asked for one."""


def run(words: list[str]) -> int:
    """Run what a command line asks for; return its exit code."""
    raise_on_signals()
    name, *rest = words or [""]
    if name in ANSWERING:
        # Asked so early, there is nothing to print; but it does not end the command.
        Noted(ASKING)
    from udpping._console import program

    return program.run(lambda: _run(name, rest), lambda error: _complain(name, error, rest))


def usage() -> str:
    """Return the help of all commands."""
    lines = (f"  {name:<11}{purpose}" for name, purpose in COMMANDS.items())
    return "\n".join(
        [
            "usage: udpping COMMAND [OPTION ...]",
            "",
            "Break, measure and watch UDP paths.",
            "",
            "commands:",
            *lines,
            "",
            "udpping help COMMAND    print the options of a command, as COMMAND --help does",
            "udpping --version       print the version",
            "",
            "Every command prints text for people, or JSON lines for programs with --json.",
        ]
    )


def _run(name: str, words: list[str]) -> int:
    import sys

    from udpping._console import streams
    from udpping._console.program import FAILED

    if name == "help" and words:
        name, words = words[0], ["--help"]
    if name in COMMANDS:
        from importlib import import_module

        code: int = import_module(f"udpping.cli.{name}").main(words)
        return code
    if name in {"", "-h", "--help", "help"}:
        streams.write(usage(), sys.stdout if name else sys.stderr)
        return 0 if name else FAILED
    if name in {"-V", "--version"}:
        import udpping

        streams.write(f"udpping {udpping.__version__}", sys.stdout)
        return 0
    wrong = f"unknown option {name}" if name.startswith("-") else f"{name!r} is not a command"
    streams.write(f"udpping: {wrong}: {_hint(name)}", sys.stderr)
    return FAILED


def _hint(name: str) -> str:
    from udpping._args.keywords import nearest

    if name.startswith("-"):
        return "expected --version, --help, or a command with its options behind it; see udpping --help"
    near = nearest(name, COMMANDS)
    return f"did you mean udpping {near}?" if near else f"expected {', '.join(COMMANDS)}"


def _complain(name: str, error: Exception, words: list[str]) -> None:
    from importlib import import_module

    from udpping._console.program import text_of
    from udpping.cli._output import Report
    from udpping.errors import ConfigError

    text = text_of(error)
    if name not in COMMANDS:
        Report(json=False).fail("udpping", type(error).__name__, text)
        return
    parser: ArgumentParser = import_module(f"udpping.cli.{name}").parser()
    options = vars(parser)["_option_string_actions"]
    argument, _, rest = text.partition(" ")
    if isinstance(error, ConfigError) and _option(argument) in options:
        text = f"{'/'.join(options[_option(argument)].option_strings)} {rest}"
    Report(json="--json" in words).fail(parser.prog, type(error).__name__, _typed(text, options))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _typed(text: str, options: "Container[str]") -> str:
    """Write `--scope client` where a text has Python's `scope="client"`; what is quoted is left as it is."""
    import re

    def write(found: "re.Match[str]") -> str:
        option = _option(found[1] or "")
        return f"{option} {found[3]}" if option in options else found[0]

    return re.sub(r"\b([a-z_]+)=(\"?)(\w+)\2|\"(?:[^\"\\]|\\.)*\"", write, text)
