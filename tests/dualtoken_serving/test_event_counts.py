"""Events of the log, counted for who watches numbers."""

import pytest
from prometheus_client import CollectorRegistry
from structlog.typing import EventDict

from dualtoken_serving import event_counts
from dualtoken_serving.event_counts import EventCounts, count_event


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of the test's own."""
    return CollectorRegistry()


@pytest.fixture(autouse=True)
def _nothing_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counts, "_logged", event_counts.Tally[tuple[str, str]]())


def log(level: str, event: str) -> EventDict:
    """Log a line; return what is passed on."""
    return count_event(None, level, {"level": level, "event": event, "ip": "192.0.2.1"})


def told(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Return what Prometheus sees."""
    return {
        (sample.labels["level"], sample.labels["event"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "x_events_total"
    }


def test_warnings_and_above_are_counted(registry: CollectorRegistry) -> None:
    """By level and event; what is said every day is no label."""
    counts = EventCounts("x_events", registry)
    for level, event in (
        ("warning", "a.b"),
        ("info", "c.d"),
        ("error", "e.f"),
        ("warning", "a.b"),
        ("critical", "g.h"),
    ):
        log(level, event)
    counts.take()
    log("warning", "a.b")
    counts.take()

    assert {("warning", "a.b"): 3, ("error", "e.f"): 1, ("critical", "g.h"): 1} == told(registry)


def test_a_worker_tells_nothing_that_was_logged_before_it(registry: CollectorRegistry) -> None:
    """Each worker inherits the counts of the process that it was forked from: they would be told once for each."""
    log("warning", "settings.unknown")
    counts = EventCounts("x_events", registry)
    counts.take()

    assert {} == told(registry)


def test_a_line_passes_unchanged() -> None:
    """Counting is no reason to change it."""
    assert {"level": "warning", "event": "a.b", "ip": "192.0.2.1"} == log("warning", "a.b")
