"""The command `udpping`, also `python -m udpping`. Each subcommand is imported only when it is called."""

import sys

COMMANDS = {
    "demo": "start a lossy server here, ping it, and say what chance would have done",
    "server": "answer datagrams, and lose or delay some on purpose",
    "ping": "measure round trips and losses to a UDP server",
    "heartbeat": "say that this machine, or a command, is alive",
    "monitor": "say who of those that send heartbeats is alive, who has stopped, and what was lost",
    "doctor": "find out why a server cannot be reached",
    "lab": "write the course's programs, UDPPingerServer.py and three more; explain their profiles",
}
USAGE_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Run a command; give back its exit code: 0 a reply came, 1 none did, 2 it could not be tried."""
    words = sys.argv[1:] if arguments is None else arguments
    name = words[0] if words else ""
    if name in COMMANDS:
        from udpping.cli import run

        return run(name, words[1:])
    if name in {"", "-h", "--help", "help"}:
        sys.stdout.write(usage())
        return 0 if words else USAGE_ERROR
    if name in {"-V", "--version"}:
        import udpping

        sys.stdout.write(f"udpping {udpping.__version__}\n")
        return 0
    sys.stderr.write(f"udpping: {name!r} is not a command: expected {', '.join(COMMANDS)}\n")
    return USAGE_ERROR


def usage() -> str:
    """Say what there is."""
    lines = (f"  udpping {name:<9} {purpose}" for name, purpose in COMMANDS.items())
    return "\n".join(
        [
            "Break, measure and watch UDP paths.",
            "",
            *lines,
            "",
            "udpping COMMAND --help has the options. --json makes any of them print JSON lines.",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
