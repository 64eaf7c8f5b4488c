"""When a silent sender is suspected: failure detectors for `udpping.compare_detectors`.

The text of a detector, `str(detector)`, does as well: `"calibrated:1 per 30 days"`. Whatever cannot be used
raises ConfigError. A detector follows one sender whose heartbeats are numbered and come at a known interval,
in 2.5 KB at most.
"""

from udpping import _core
from udpping._args import checks
from udpping._args.grammar import duration_text
from udpping._args.text_model import TextModel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._args.durations import Duration

__all__ = ["Calibrated", "Chen", "Detector", "Fixed", "Phi", "TwoWindows"]


def __dir__() -> list[str]:
    return __all__


class Detector(TextModel):
    """Base of the detectors: a checked text. Equal texts are equal detectors.

    >>> import udpping
    >>> udpping.detect.Detector("fixed:3")
    <udpping.detect.Detector fixed:3>
    >>> udpping.detect.Detector("fixed:3") == udpping.detect.Fixed(3)
    True
    """

    __slots__ = ()

    _MODULE = __name__

    def __init__(self, text: str) -> None:
        super().__init__(_core.check_detector(checks.text("detector", text)))


class Fixed(Detector):
    """Suspect after `misses` intervals without a heartbeat (1 to 1000).

    >>> import udpping
    >>> udpping.detect.Fixed(3)
    <udpping.detect.Fixed fixed:3>
    """

    __slots__ = ()

    def __init__(self, misses: int = 3) -> None:
        super().__init__(f"fixed:{checks.any_whole('misses', misses)}")


class Phi(Detector):
    """Phi accrual (Hayashibara and others 2004): suspect when phi reaches `threshold` (0.5 to 300).

    Phi is -log10 of the probability of so long an interval, by a normal fit of the last `window` intervals
    (2 to 1000), with the exact tail. `min_std` is their least standard deviation in seconds: 0.1, or a tenth
    of the interval if that is more, unless given. `pause` seconds are added to their mean. Intervals that
    ended after the deadline are not learned from. It takes losses for long intervals.

    >>> import udpping
    >>> udpping.detect.Phi(8, pause=3)
    <udpping.detect.Phi phi:8,pause=3s>
    """

    __slots__ = ()

    def __init__(
        self,
        threshold: float = 8,
        *,
        window: int = 1000,
        min_std: "Duration | None" = None,
        pause: "Duration" = 0,
    ) -> None:
        text = f"phi:{checks.number('threshold', threshold)!r},window={checks.any_whole('window', window)}"
        if min_std is not None:
            text += f",min_std={duration_text('min_std', min_std)}"
        super().__init__(f"{text},pause={duration_text('pause', pause)}")


class Chen(Detector):
    """NFD-E (Chen, Toueg and Aguilera 2002): suspect `margin` (0 to 1 hour) after the next one is expected.

    It is expected one interval after the latest, whose own delay does not count: the mean over the last
    `window` arrivals does (2 to 1000). A heartbeat that was delayed is worth no more than its number.

    >>> import udpping
    >>> udpping.detect.Chen(2)
    <udpping.detect.Chen chen:2s>
    """

    __slots__ = ()

    def __init__(self, margin: "Duration", *, window: int = 1000) -> None:
        super().__init__(
            f"chen:{duration_text('margin', margin)},window={checks.any_whole('window', window)}"
        )


class TwoWindows(Detector):
    """2W-FD (Tomsic and others 2015): as `Chen`, after the later of two times at which the next is expected.

    One follows from the mean over the last `window` arrivals (2 to 1000), the other from that over the last
    `short` (1 at least, and fewer): a path that becomes slower moves the deadline at once. Losses move
    neither. `margin` is 0 to 1 hour.

    >>> import udpping
    >>> udpping.detect.TwoWindows(2)
    <udpping.detect.TwoWindows 2w-fd:2s>
    """

    __slots__ = ()

    def __init__(self, margin: "Duration", *, short: int = 1, window: int = 1000) -> None:
        text = f"2w-fd:{duration_text('margin', margin)},short={checks.any_whole('short', short)}"
        super().__init__(f"{text},window={checks.any_whole('window', window)}")


class Calibrated(Detector):
    """Suspect as late as it takes to keep a promise: so many `false_alarms` in so much time.

    It counts how often a silence ended well, and takes the shortest that had fewer longer ones in a week, or
    in the time of 14 false alarms, than were promised. Until it knows, it judges by how losses follow each
    other and how late heartbeats are, and waits for 60 intervals at most. So the promise holds on any path,
    from 7 days or the time of three false alarms on. `false_alarms` is a rate in whole numbers:
    `"1 per 30 days"`, `"10 per day"`, with second, minute, hour, day, week or year. More than one in ten
    intervals is refused when the interval is known.

    >>> import udpping
    >>> udpping.detect.Calibrated("1 per 30 days")
    <udpping.detect.Calibrated calibrated:1 per 30 days>
    """

    __slots__ = ()

    def __init__(self, false_alarms: str = "1 per 30 days") -> None:
        super().__init__(f"calibrated:{checks.text('false_alarms', false_alarms)}")
