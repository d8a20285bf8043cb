"""Results as a run leaves them."""

from dataclasses import replace

from dualtoken.client.loadtest.machine import Machine
from dualtoken.client.loadtest.meter import EXCHANGE, LAG, Meter
from dualtoken.client.loadtest.options import Options
from dualtoken.client.loadtest.result import Result

OPTIONS = Options("http://127.0.0.1:8001", "http://127.0.0.1:8002", "zs", expire_every_s=1.0, duration_s=2.0)


def interval(*, requests: int = 100, failed: int = 0, refreshes: int = 0) -> Meter:
    """Return what one process measured in one interval."""
    meter = Meter(cpu_s=0.1)
    counts = meter.counts
    counts.requests, counts.failed, counts.refreshes, counts.expected = requests, failed, refreshes, refreshes
    counts.unauthorized = refreshes * 5
    for number in range(requests):
        meter.record("read", 0.001 * (1 + number), met=number < counts.unauthorized)
    for _ in range(refreshes):
        meter.record(EXCHANGE, 0.012)
    meter.record(LAG, 0.001)
    return meter


def result(*, workers: int = 1, **options: object) -> Result:
    """Return a result of two seconds with an expiry after the first."""
    run = Result(replace(OPTIONS, **options), Machine.here(), 1_790_000_000.0, workers)  # type: ignore[arg-type]  # options of any kind
    for number in range(4):
        for worker in range(workers):
            run.take(worker, number, interval(refreshes=10 if number == 2 else 0))
    run.finish(2.0)
    return run
