"""The textbook's own programs: what they are set to, and how they say it."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._rows import Row
    from udpping._run import Summary

HOST = ""
PORT = 12000
COUNT = 10
TIMEOUT = 1.0
LOSS = "randint:0,10,4"
"""`random.randint(0, 10) < 4`: 0, 1, 2 and 3 of eleven numbers, not the 30 % of the text."""
SHARE = "4 of 11"


def outcome(row: "Row") -> str:
    """Say what became of one ping: the reply and its round trip, or that there was none in time."""
    if row.status != "reply" or row.reply is None or row.rtt_ns is None:
        return "Request timed out"
    return f"{row.reply.decode('utf-8', 'backslashreplace')}\nRTT: {row.rtt_ns / 1e9:.6f} seconds"


def statistics(summary: "Summary") -> str:
    """Say what all pings come to, as the ping of operating systems does.

    >>> from udpping import lab, sim
    >>> print(lab.book.statistics(sim.ping(count=4, loss="pattern:.x..", delay="2ms").summary))
    <BLANKLINE>
    4 packets transmitted, 3 received, 25.0% packet loss
    RTT min/avg/max = 0.002000/0.002000/0.002000 seconds
    """
    percent = 100 * summary.lost / summary.sent if summary.sent else 0
    text = f"\n{summary.sent} packets transmitted, {summary.received} received, {percent:.1f}% packet loss"
    rtts = (summary.rtt_min_ns, summary.rtt_avg_ns, summary.rtt_max_ns)
    if summary.received:
        text += "\nRTT min/avg/max = " + "/".join(f"{(rtt or 0) / 1e9:.6f}" for rtt in rtts) + " seconds"
    return text
