"""`Reflector`: the far end of STAMP (RFC 8762)."""

from udpping import _core
from udpping._args import checks
from udpping._args.keys import STAMP_VARIABLE, read_keys
from udpping._args.limits import STAMP_PORT
from udpping._args.public import PublicNames
from udpping._services.service import Listener
from udpping._table.text import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.checks import Path


class ReflectorCounters(PublicNames):
    """What a reflector has done so far: a snapshot. `None` stands for what the system does not tell.

    Every packet received is reflected, an error, or counted by the reason why it was not answered.

    >>> import udpping
    >>> with udpping.Reflector(port=0) as reflector:
    ...     run = udpping.ping(reflector, protocol="stamp", count=3)
    >>> reflector.counters
    3 received, 3 reflected, 1 session
    """

    received: int
    """Packets received."""
    reflected: int
    """Packets answered."""
    short: int
    """Packets not answered because the reply would have been longer. They had less than 44 bytes, or 112 with
    keys.
    """
    unverified: int
    """Packets not answered because their HMAC was wrong or missing. Or no key is for their session."""
    unknown: int
    """Packets not answered because their session was not provisioned. Or it is for another address."""
    refused: int
    """Packets not answered because there was no room for their session: their address has 1,024 of them."""
    looped: int
    """Packets not answered because they came from a port of reflectors. The reply would be answered too."""
    replayed: int
    """Packets received again, or too late to tell; they are answered, unless such are dropped."""
    errors: int
    """Replies that could not be sent."""
    sessions: int
    """Sessions known now. A stateless reflector knows none."""
    kernel_drops: int | None
    """Packets that the kernel dropped because the receive buffer was full."""

    def __init__(self, counts: "dict[str, int | None]") -> None:
        self.__dict__.update(counts)

    def as_dict(self) -> "dict[str, int | None]":
        """Everything by name, ready for JSON."""
        return dict(self.__dict__)

    def __repr__(self) -> str:
        always = f"{self.received:,} received, {self.reflected:,} reflected"
        sessions = counted(self.sessions, "session" if self.sessions == 1 else "sessions")
        others = {
            "too short": self.short,
            "with a wrong HMAC": self.unverified,
            "of unknown sessions": self.unknown,
            "refused": self.refused,
            "from a reflector's port": self.looped,
            "replayed": self.replayed,
            "errors": self.errors,
            "dropped by the kernel": self.kernel_drops,
        }
        found = [counted(count, name) for name, count in others.items() if count]
        return ", ".join([always, *([sessions] if self.sessions else []), *found])


class Reflector(Listener["_core.StampReflector"]):
    """Answers the test packets of STAMP with the times of their arrival and of the answer (RFC 8762, 8972).

    It runs in the background between `start()` and `stop()`, or within a `with` block; `serve_forever()` runs
    it until Ctrl-C. Any sender of STAMP or TWAMP Light can use it, as `udpping.ping(..., protocol="stamp")`.
    It answers each packet at most once, with one that is as long.

    * `host`: the address to listen at, by default this machine's own only; `""` is every IPv4 interface,
      `"::"` every interface of both versions.
    * `port`: 0 to 65,535, by default 862, for which many systems want extra rights; 0 takes any free one.
    * `stateless`: answers repeat the number of the packet. Otherwise they are counted in each session, so
      that a sender can tell on which way a packet was lost.
    * `admit`: `"learned"` answers every session; `"provisioned"` those that have a line in `keys`.
    * `keys`: a file with secrets: `SECRET` for all sessions, `SSID SECRET` for one, or `SSID SECRET ADDRS`
      for one from these addresses, with commas between. A secret is text of 16 to 1,024 bytes, or `hex:` and
      digits. Then only packets with a right HMAC are answered (authenticated mode). `None` takes the lines of
      the environment variable UDPPING_STAMP_KEY, if there are any.
    * `base_reply`: whether packets of TWAMP Light that are shorter than the answer (14 to 43 bytes) are
      answered too, 100 a second to each address and 1,000 in all; not with keys.
    * `drop_replayed`: whether packets that were received before get no answer. Networks duplicate packets
      as well, so otherwise they are counted and answered.
    * `location`: whether answers tell the addresses and ports of a packet, if asked (Location TLV).
    * `send_stamps`: whether the kernel takes the time at which each answer leaves. The next answer of the
      session tells it, if asked (Follow-Up Telemetry TLV): `protocol="stamp:follow-up"` asks. Linux only;
      elsewhere it tells the time at which the answer was written.
    * `timestamps`: their format: `"ntp"`, or `"ptp"`.
    * `port_tries`: how many ports to try, upwards from `port`: 1 to 65,535.

    65,536 sessions are remembered, 1,024 of one address. One that sent a single packet makes room for
    others, and one that was silent for 15 minutes.

    Raises ConfigError for what cannot be used, AddressError for an unknown name, PortBusyError when the
    port is taken, NetworkError when the system refuses, OSError for a file that cannot be read.

    >>> import udpping
    >>> with udpping.Reflector(port=0) as reflector:
    ...     run = udpping.ping(reflector, protocol="stamp", count=5)
    >>> run.summary.received
    5
    >>> all(row.server_sent_ns >= row.server_recv_ns for row in run)
    True

    With the kernel's time of each answer but the last:

    >>> with udpping.Reflector(port=0, send_stamps=True) as reflector:
    ...     run = udpping.ping(reflector, protocol="stamp:follow-up", count=5)
    >>> {row.server_stamp for row in run} <= {"kernel-tx", None}
    True
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = STAMP_PORT,
        *,
        stateless: bool = False,
        admit: str = "learned",
        keys: "Path | None" = None,
        base_reply: bool = False,
        drop_replayed: bool = False,
        location: bool = False,
        send_stamps: bool = False,
        timestamps: str = "ntp",
        port_tries: int = 1,
    ) -> None:
        self._core = _core.StampReflector(
            checks.text("host", host),
            checks.whole("port", port),
            stateless=checks.flag("stateless", stateless),
            admit=checks.text("admit", admit),
            keys=read_keys("keys", keys, STAMP_VARIABLE),
            base_reply=checks.flag("base_reply", base_reply),
            drop_replayed=checks.flag("drop_replayed", drop_replayed),
            location=checks.flag("location", location),
            send_stamps=checks.flag("send_stamps", send_stamps),
            timestamps=checks.text("timestamps", timestamps),
            port_tries=checks.whole("port_tries", port_tries),
        )

    def serve_forever(self) -> None:
        """Answer until Ctrl-C, or until another thread stops it."""
        try:
            self.start()
            self.wait()
        except KeyboardInterrupt:
            pass
        finally:
            self.stop()

    @property
    def stamps_sends(self) -> bool:
        """Whether the kernel tells when answers leave: with `send_stamps`, where the system can."""
        return self._core.stamps_sends

    @property
    def counters(self) -> ReflectorCounters:
        """What it has done so far."""
        return ReflectorCounters(self._core.counters())

    def _shown(self) -> str:
        host, port = self.bound
        state = "running" if self.running else "not running"
        return f"<udpping.Reflector at {host}:{port}, {state}: {self.counters!r}>"
