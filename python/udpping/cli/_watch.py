"""Reports problems of a sender of heartbeats while it runs."""

from udpping.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from udpping._services.heartbeat import Heartbeat
    from udpping.cli._output import Report


class Watch:
    """Reports a problem once when it begins, and once when it ends."""

    def __init__(self, heartbeat: "Heartbeat", report: "Report", prefix: str = "") -> None:
        self.heartbeat = heartbeat
        self.report = report
        self.prefix = prefix
        self.problem: str | None = None

    def reopen(self) -> None:
        """Read the key again."""
        try:
            self.heartbeat.reopen()
        except (ConfigError, OSError) as error:
            message = f"{error}; the key from before stays in use"
            self.report.record("problem", message=message)
            self.report.say(self.report.alarm(message))
        else:
            self.report.record("reopened")
            self.report.say("read the key again")

    def look(self) -> None:
        problem = self.heartbeat.last_error
        if problem == self.problem:
            return
        self.problem = problem
        if problem is None:
            self.report.record("well", address=self.heartbeat.address)
            self.report.say(f"{self.prefix}heartbeats are sent again")
        else:
            self.report.record("problem", message=problem)
            self.report.say(f"{self.prefix}{self.report.alarm(problem)}; going on")

    def end(self) -> None:
        """Record the totals, the last goodbye included."""
        self.heartbeat.wait()
        self.report.record("end", **self.heartbeat.as_dict())
