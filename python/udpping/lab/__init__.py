"""The networking course's programs, with the same names and output and without their bugs.

`udpping lab DIR` writes them. What they send, lose and print is a profile: one short file here, with a class
for each of the four programs. `udpping lab --list` explains the profiles.

>>> from udpping import lab
>>> tally = lab.profile("slides").PingerClient(count=1).rehearse(delay="1ms")
-----
Starting Ping
-----
<BLANKLINE>
Sent Ping 1 Tue Nov 14 22:13:20 2023
Received b'PING 1 TUE NOV 14 22:13:20 2023'
Time: 1.0 Milliseconds
<BLANKLINE>
Finish ping, closing socket
-----
Statistics
Average RTT: 1.0 Milliseconds
Max RTT: 1.0 Milliseconds
Min RTT: 1.0 Milliseconds
Packet Loss: 0%
-----
"""

from udpping._console.program import run, text_of
from udpping.errors import PortBusyError
from udpping.lab._profiles import DEFAULT, SCRIPTS, Profile, names, profile
from udpping.lab._program import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping.lab._program import Program

__all__ = ["DEFAULT", "SCRIPTS", "Profile", "main", "names", "profile", "program"]


def __dir__() -> list[str]:
    return __all__


def program(script: str, words: list[str] | None = None, default: str = DEFAULT) -> "Program":
    """Make a script's program, with the profile and the options that its command line asks for.

    >>> from udpping import lab
    >>> client = lab.program("UDPPingerClient.py", ["192.0.2.7", "--profile", "report"])
    >>> client.host, client.port
    ('192.0.2.7', 12000)
    """
    from udpping.lab._options import read

    return read(script, words, default)


def main(script: str, default: str = DEFAULT, words: list[str] | None = None) -> int:
    """Run a script, by its name and with the profile that is its default; give back its exit code."""
    name = script.removesuffix(".py")
    return run(
        lambda: program(script, words, default).run(), lambda error: note(f"{name}: {_text_of(error)}")
    )


def _text_of(error: Exception) -> str:
    text = text_of(error)
    # The programs have no option of that name.
    return text.partition("; port_tries=")[0] if isinstance(error, PortBusyError) else text
