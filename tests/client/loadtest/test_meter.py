"""What is counted, and how it travels between processes."""

import json

import pytest

from dualtoken.client.loadtest.meter import (
    EXCHANGE,
    LAG,
    LONGEST_US,
    PERCENTILES,
    Meter,
    histogram,
    percentiles_ms,
    quantiles_ms,
)


def sample() -> Meter:
    """Return a meter with a little of everything."""
    meter = Meter(cpu_s=0.5)
    meter.counts.requests, meter.counts.refreshes = 3, 1
    meter.errors["GET /home answered 503"] += 1
    meter.record("read", 0.010)
    meter.record("read", 0.200, met=True)
    meter.record("upload", 0.020)
    meter.record(EXCHANGE, 0.150)
    meter.record(LAG, 0.001)
    return meter


def test_a_meter_survives_the_way_between_processes() -> None:
    """What a worker measured is what the runner reads."""
    sent = sample()
    read = Meter.from_dict(json.loads(json.dumps(sent.as_dict())))

    assert sent.as_dict() == read.as_dict()


def test_requests_are_told_from_the_calls_within_them() -> None:
    """The refresh call inside a request, and the generator's own delay, are no requests."""
    assert 3 == sample().latency().get_total_count()


def test_requests_that_met_a_refresh_stand_apart() -> None:
    """The price of a refresh is not hidden in an average."""
    meter = sample()

    assert (1, 2) == (meter.latency(met=True).get_total_count(), meter.latency(met=False).get_total_count())


def test_intervals_add_up() -> None:
    """Two intervals together have all that both have."""
    total = sample()
    total.add(sample())

    assert (6, 2, 6, 1.0) == (
        total.counts.requests,
        total.errors.total(),
        total.latency().get_total_count(),
        total.cpu_s,
    )


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e9])
def test_no_latency_is_lost(seconds: float) -> None:
    """What lies outside the histogram's range counts at its end."""
    meter = Meter()
    meter.record("read", seconds)
    values = meter.latency()

    assert (1, True) == (values.get_total_count(), 1 <= values.get_min_value() <= LONGEST_US)


def test_quantiles_are_in_milliseconds() -> None:
    """A person reads milliseconds."""
    values = histogram()
    values.record_value(1500)
    quantiles = quantiles_ms(values)

    assert quantiles is not None
    assert (1, 1.5, 1.5) == (quantiles["count"], round(quantiles["p50"], 2), round(quantiles["max"], 2))


def test_percentiles_are_those_of_the_histogram() -> None:
    """All of them are found in one pass, and none is another for that."""
    values = sample().latency()
    one_by_one = {f"p{share:g}": values.get_value_at_percentile(share) / 1000 for share in PERCENTILES}

    assert {"count": 3, **one_by_one, "max": values.get_max_value() / 1000} == percentiles_ms(values)


def test_of_nothing_there_are_no_quantiles() -> None:
    """No request is not the same as a request in no time."""
    assert quantiles_ms(histogram()) is None
