"""The report as a file."""

import re
from html.parser import HTMLParser

from dualtoken.client.loadtest.charts import distribution, over_time, percentiles
from dualtoken.client.loadtest.meter import Meter
from dualtoken.client.loadtest.report import render
from tests.client.loadtest.results import result


class References(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take down addresses."""
        self.found += [f"{tag} {value}" for name, value in attributes if name in ("src", "href", "srcset") and value]


def test_the_report_needs_nothing_else() -> None:
    """The page loads no script, style or picture from anywhere."""
    references = References()
    references.feed(render(result()))

    assert [] == references.found


def test_the_report_quotes_names_safely() -> None:
    """A user name is text, whatever it looks like."""
    page = render(result(username="<img src=x>"))

    assert (False, True) == ("<img src=x>" in page, "&lt;img src=x&gt;" in page)


def test_the_report_says_when_a_run_failed() -> None:
    """The verdict stands at the top, with its reasons."""
    run = result()
    run.total.counts.failed = 2
    run.total.errors["GET /home answered 503"] = 2
    text = re.sub(r"<[^>]+>", " ", render(run).partition('role="status"')[2][:600])

    assert all(part in text for part in ("Failed", "2 of 400 requests failed.", "2 times: GET /home answered 503"))


def test_the_distribution_holds_every_request() -> None:
    """The bars of each group add up to all of it."""
    shares = [round(sum(trace.y), 6) for trace in distribution(result()).data]

    assert [100.0, 100.0] == shares


def test_no_percentile_beyond_the_number_of_requests() -> None:
    """Of four hundred requests the curve ends before 99.9 %."""
    ends = [trace.customdata[-1] < 99.9 for trace in percentiles(result()).data]

    assert [True, True] == ends


def test_expiries_are_lines_over_time() -> None:
    """Each expiry is marked in every chart over time."""
    lines = {shape.x0 for shape in over_time(result()).layout.shapes}

    assert {1.0, 2.0} == lines


def test_the_report_says_which_expiries_are_marked() -> None:
    """Of very many only the first are, and nobody has to find that out."""
    run = result()
    few = render(run)
    run.elapsed_s = 1234.0
    many = render(run)

    assert (False, True) == ("stop being good (" in few, "stop being good (the first 120 of 1,234 times)" in many)


def test_charts_of_an_empty_run_are_empty() -> None:
    """A run that was interrupted at once has a report all the same, which says that nothing was measured."""
    run = result()
    run.points.clear()
    run.total = Meter()
    figures = [over_time(run), distribution(run), percentiles(run)]

    assert [0, 0, 0] == [sum(len(trace.x) for trace in figure.data) for figure in figures]
    assert "No request was made." in render(run)
