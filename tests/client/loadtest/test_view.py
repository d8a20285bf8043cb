"""What a person sees of a run."""

import pytest
from hdrh.histogram import HdrHistogram
from rich.console import Console

from dualtoken.client.loadtest.view import View
from tests.client.loadtest.results import result


def drawn() -> str:
    """Return a run of two seconds with failures, as it is drawn."""
    run = result()
    run.total.counts.failed, run.total.counts.coalesced = 2, 7
    run.total.errors["GET /home answered 503"] = 2
    console = Console(width=120, no_color=True)
    with console.capture() as capture:
        console.print(View(run))
    return capture.get()


def test_the_view_shows_what_counts() -> None:
    """Counts, latencies with the far percentiles, and failures by kind."""
    lines = [line.split() for line in drawn().splitlines()]
    rows = {" ".join(words[:-5]): words[-5:] for words in lines if len(words) > 5}
    counts = [line for line in lines if line and line[0] in {"401s", "refreshes", "waited", "failed", "2"}]

    assert ["count", "p50", "p95", "p99", "max"] == rows["latency in ms"]
    assert ["400", "50.0", "95.0", "99.0", "100.0"] == rows["all requests"]
    assert [
        ["401s", "50"],
        ["refreshes", "10", "(expected", "10)"],
        ["waited", "for", "another's", "refresh", "7"],
        ["failed", "2"],
        ["2", "times:", "GET", "/home", "answered", "503"],
    ] == counts


def test_a_drawing_works_out_no_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made while load is, and a mean takes longer than all the rest."""
    monkeypatch.setattr(HdrHistogram, "get_mean_value", lambda _: pytest.fail("a mean"))

    assert "all requests" in drawn()
