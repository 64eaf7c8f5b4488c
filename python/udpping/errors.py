"""Everything udpping raises. One line each: what, the value, what is accepted, what to do.

>>> import udpping
>>> try:
...     udpping.Server(port=70_000)
... except udpping.UdppingError as error:
...     print(error)
port 70000 is not usable: expected 0 to 65535, 0 for any free port
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._results.run import Run

__all__ = [
    "AddressError",
    "AmplificationWarning",
    "ConfigError",
    "Interrupted",
    "NetemWarning",
    "NetworkError",
    "PortBusyError",
    "UdppingError",
]


def __dir__() -> list[str]:
    return __all__


class UdppingError(Exception):
    """Base of all errors of udpping, but not of Interrupted, which is no error.

    It is raised itself when the core is at fault: then it says what to report.
    """


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
    """The operating system refused; `errno` says how, where there is a number for it.

    >>> import errno, udpping
    >>> try:
    ...     udpping.Server("203.0.113.1", 0)
    ... except udpping.NetworkError as error:
    ...     error.errno == errno.EADDRNOTAVAIL
    True
    """

    def __str__(self) -> str:
        # The text already says what failed and where: "[Errno 98]" before it helps nobody.
        return self.strerror or super().__str__()


class PortBusyError(NetworkError):
    """Another program, or another server of this one, has the port.

    >>> import udpping
    >>> with udpping.Server(port=0) as server:
    ...     try:
    ...         udpping.Server(*server.address)
    ...     except udpping.PortBusyError:
    ...         print("busy")
    busy
    """


class AddressError(NetworkError):
    """A host name that nobody knows, or an address that is none.

    >>> import udpping
    >>> try:
    ...     udpping.ping("no..such..host")
    ... except udpping.AddressError:
    ...     print("unknown")
    unknown
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run. `run` holds what was measured until then, and so does `udpping.last_run`.

    It is a KeyboardInterrupt: `except Exception` lets it pass, as it should.

    >>> import _thread, threading, udpping
    >>> with udpping.Server(port=0, loss="list:2") as server:
    ...     threading.Timer(2, _thread.interrupt_main).start()
    ...     try:
    ...         udpping.ping(*server.address, timeout=60)
    ...     except udpping.Interrupted as stopped:
    ...         print(stopped.run.summary.received, "answered,", stopped.run.summary.pending, "in flight")
    1 answered, 1 in flight
    """

    run: "Run"

    def __init__(self, run: "Run") -> None:
        super().__init__(f"stopped after {run.summary.sent} pings; the run is in udpping.last_run")
        self.run = run

    def __reduce__(self) -> "tuple[type[Interrupted], tuple[Run]]":
        return type(self), (self.run,)


class AmplificationWarning(UserWarning):
    """A server that others can reach may answer with more than it was sent.

    >>> import udpping, warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     server = udpping.Server("", 0, reply="{message} {message}")
    >>> caught[0].category.__name__
    'AmplificationWarning'
    """


class NetemWarning(UserWarning):
    """netem does something else than its option says, or than a `Link` made from it does.

    >>> import udpping, warnings
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     link = udpping.Link.from_tc("loss 10% 25%")
    >>> caught[0].category.__name__
    'NetemWarning'
    """
