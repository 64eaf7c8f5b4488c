"""Adds to the frames of runs what people read: a time and a duration."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

FIRST = ("seq", "sent_wall_ns", "status", "rtt_ns", "reply", "target")
"""The columns of a run that people read."""
EARLY = ("seq", "status", "rtt", "sent", "reply", "target")
"""The same in a frame: pandas shows the first and the last columns, as many as fit."""
LATE = ("copies", "bytes", "arrival")
"""The last ones in a frame, which are narrow, so that 80 columns of a terminal have room for `rtt`."""


def to_pandas(frame: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    frame["sent"] = pd.to_datetime(frame["sent_wall_ns"], utc=True).astype("datetime64[ns, UTC]")
    frame["rtt"] = pd.to_timedelta(frame["rtt_ns"]).astype("timedelta64[ns]")
    return frame[_order(list(frame.columns))]


def to_polars(frame: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    sent = pl.col("sent_wall_ns").cast(pl.Datetime("ns", "UTC")).alias("sent")
    rtt = pl.col("rtt_ns").cast(pl.Duration("ns")).alias("rtt")
    return frame.with_columns(sent, rtt).select(_order(frame.columns))


def _order(names: "list[str]") -> "list[str]":
    return [*EARLY, *(name for name in names if name not in EARLY + LATE), *LATE]
