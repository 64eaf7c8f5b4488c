"""Everything udpping raises. One line each: what, the value, what is accepted, what to do."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._run import Run


class UdppingError(Exception):
    """Base of all errors of udpping."""


class ConfigError(UdppingError, ValueError):
    """A value that cannot be used, or two that cannot be used together.

    >>> import udpping
    >>> try:
    ...     udpping.loss.Every(0)
    ... except udpping.ConfigError:
    ...     print("refused")
    refused
    """


class NetworkError(UdppingError, OSError):
    """The operating system refused; `errno` says how."""

    def __str__(self) -> str:
        # The text already says what failed and where: "[Errno 98]" before it helps nobody.
        return self.strerror or super().__str__()


class PortBusyError(NetworkError):
    """Another program has the port."""


class AddressError(NetworkError):
    """A host name that nobody knows, or an address that is none."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run. `run` holds what was measured until then, and so does `udpping.last_run`."""

    run: "Run"

    def __init__(self, run: "Run") -> None:
        super().__init__(f"stopped after {run.summary.sent} pings; the run is in udpping.last_run")
        self.run = run


class AmplificationWarning(UserWarning):
    """A server that others can reach may answer with more than it was sent."""
