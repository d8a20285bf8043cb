"""The verdict."""

import json

from dualtoken.client.loadtest.meter import LAG, Meter
from tests.client.loadtest.results import interval, result


def test_a_run_without_failure_passes() -> None:
    """No failed request and no refresh too many: passed."""
    run = result()

    assert ([], []) == (run.failures(), run.remarks())


def test_a_failed_request_fails_the_run() -> None:
    """One request that failed is told and decides."""
    run = result()
    run.take(0, 4, interval(failed=1))

    assert ["1 of 500 requests failed."] == run.failures()


def test_a_refresh_too_many_fails_the_run() -> None:
    """More refreshes than tokens that ran out: somebody was refreshed twice."""
    run = result()
    run.total.counts.refreshes += 1

    assert ["11 refreshes, though only 10 tokens had run out."] == run.failures()


def test_a_refresh_of_a_good_token_fails_the_run() -> None:
    """A refresh that nobody needed does not hide behind a user that needed none."""
    run = result()
    run.total.counts.surplus += 1

    assert ["1 refreshes replaced a token that was still good."] == run.failures()


def test_no_request_at_all_fails_the_run() -> None:
    """A run that did nothing has shown nothing."""
    run = result()
    run.total = Meter()

    assert ["No request was made."] == run.failures()


def test_a_busy_load_generator_says_so() -> None:
    """Figures that the generator itself has limited come with a warning."""
    run = result()
    run.take(0, 5, Meter(cpu_s=2.0))

    assert "The load generator itself was the limit: its busiest process needed 120% of a core" in run.remarks()[0]


def test_a_late_load_generator_says_so() -> None:
    """So do figures of a generator that others kept from running."""
    run = result()
    late = Meter()
    for _ in range(100):
        late.record(LAG, 0.2)
    run.take(0, 5, late)

    assert "200 ms late" in run.remarks()[0]


def test_missed_arrivals_are_told() -> None:
    """A rate that could not be reached is not passed over."""
    run = result(rate=500.0)
    run.total.counts.not_begun = 7

    assert "7 requests were due and found all 50 places taken until the end" in run.remarks()[0]


def test_processes_are_added_up_per_interval() -> None:
    """A point of the report is what all processes did in it."""
    run = result(workers=3)

    assert [600.0] * 4 == [point.per_second for point in run.points]


def test_a_process_that_broke_off_hides_nothing() -> None:
    """What the others measured is in the report, too."""
    run = result(workers=2)
    run.take(0, 4, interval())
    run.finish(2.5)

    assert (5, 900) == (len(run.points), run.total.counts.requests)


def test_expiries_are_marked_where_they_were() -> None:
    """The moments of --expire-every, as far as the run came."""
    assert [1.0, 2.0] == result().beats_s


def test_the_figures_are_json() -> None:
    """``--json`` holds verdict, counts, latencies, settings, machine and intervals."""
    figures = json.loads(json.dumps(result().as_dict()))

    assert (True, 400, 4, "read") == (
        figures["passed"],
        figures["counts"]["requests"],
        len(figures["intervals"]),
        figures["settings"]["scenario"],
    )
