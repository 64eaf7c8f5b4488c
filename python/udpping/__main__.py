"""The command `udpping`, also `python -m udpping`."""

import sys

INTERRUPTED = 130  # 128 + SIGINT, as in a shell


def main(arguments: list[str] | None = None) -> int:
    """Run a command; give back its exit code: 0 a reply came, 1 none did, 2 it could not be tried."""
    try:
        from udpping.cli import run

        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        sys.stderr.write("udpping: there is not enough memory to start\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
