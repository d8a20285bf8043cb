"""Counts each logged event of level warning and above, for alerts without a log search."""

from collections import Counter as Tally
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from structlog.typing import EventDict

COUNTED = frozenset({"warning", "error", "critical"})
_logged: Tally[tuple[str, str]] = Tally()  # of this process, as its logs are


def count_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Count a line of our own by level and event, and pass it on. A structlog processor, behind ``add_log_level``.

    Events are named in the code, never by a caller: they may be labels.
    """
    if event["level"] in COUNTED:
        _logged[event["level"], event["event"]] += 1
    return event


class EventCounts:
    """A Prometheus counter by level and event, of this worker's lines from now on."""

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            name, "Log lines of level warning and above, by level and event.", ["level", "event"], registry=registry
        )
        # What the process logged before belongs to none of its workers: each inherits it.
        self._told = _logged.copy()

    def take(self) -> None:
        """Take over what was counted since the last time."""
        logged = _logged.copy()
        for labels, count in (logged - self._told).items():
            self._counter.labels(*labels).inc(count)
        self._told = logged
