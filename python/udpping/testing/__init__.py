"""A far end for the tests of UDP clients: it answers each datagram as a script says.

`FarEnd` listens on this machine and keeps what it receives. Its script says for each datagram what becomes of
it: a `Reply`, late, twice, wrong or from another port, a `Refuse`, or nothing. `free_port` gives a port at
which nobody listens; `Script` and `Step` are types for annotations. Any test framework will do, or none. The
package imports `_args` and `errors` alone.

>>> import socket
>>> from udpping.testing import FarEnd
>>> def ask(address):  # the client that is tested: it asks up to three times
...     with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
...         client.settimeout(2)
...         for number in range(1, 4):
...             client.sendto(b"ping %d" % number, address)
...             try:
...                 return client.recv(2048)
...             except TimeoutError:
...                 pass
>>> with FarEnd([None, b"pong"]) as far:  # the first is lost, the second is answered
...     ask(far.address)
b'pong'
>>> [datagram.payload for datagram in far.received]
[b'ping 1', b'ping 2']
"""

from udpping.testing._far_end import FarEnd, free_port
from udpping.testing._script import Received, Refuse, Reply, Script, Step

__all__ = ["FarEnd", "Received", "Refuse", "Reply", "Script", "Step", "free_port"]


def __dir__() -> list[str]:
    return __all__
