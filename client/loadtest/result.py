"""The results of a run: interim ones while it runs, final ones for the report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from .machine import Machine
from .meter import EXCHANGE, LAG, Meter, percentiles_ms, quantiles_ms
from .options import Options

CPU_LIMIT: Final = 0.9  # of a core: a process that needs more is behind with its own work
LAG_LIMIT_MS: Final = 50.0  # 95th percentile of the lateness of the generator's own timers


@dataclass(frozen=True, slots=True)
class Point:
    """One interval, all processes together. Latencies in milliseconds, None if nothing ended."""

    at_s: float
    per_second: float
    failed: int
    unauthorized: int
    refreshes: int
    p50: float | None
    p95: float | None
    p99: float | None
    max: float | None


@dataclass(slots=True)
class Result:
    """All that is known of a run.

    Attributes:
        began_at: seconds since the epoch.
        elapsed_s: since the first request.
        interrupted: whether it was ended before its time.
        broken: what stopped a process of the load generator, if something did.
        total: over all intervals and processes.
        busiest: the largest share of a core that a process of the load generator needed.
        points: finished intervals in order.
    """

    options: Options
    machine: Machine
    began_at: float
    workers: int
    elapsed_s: float = 0.0
    interrupted: bool = False
    broken: str | None = None
    total: Meter = field(default_factory=Meter)
    points: list[Point] = field(default_factory=list)
    _open: dict[int, tuple[int, Meter]] = field(default_factory=dict)
    _cpu_s: dict[int, float] = field(default_factory=dict)

    def take(self, worker: int, number: int, meter: Meter) -> None:
        """Add what *worker* measured in interval *number*."""
        self.total.add(meter)
        self._cpu_s[worker] = self._cpu_s.get(worker, 0.0) + meter.cpu_s
        have, merged = self._open.setdefault(number, (0, Meter()))
        merged.add(meter)
        self._open[number] = (have + 1, merged)
        if have + 1 == self.workers:
            self._close(number)

    def finish(self, elapsed_s: float) -> None:
        """Close the intervals that some processes have not told about, and set the run's length."""
        for number in sorted(self._open):
            self._close(number)
        self.elapsed_s = elapsed_s
        length = self.options.interval_s
        while self.points and (left := elapsed_s - self.points[-1].at_s) < length:
            last = self.points.pop()
            if left >= length / 2:  # a rate over less would be noise
                self.points.append(replace(last, per_second=round(last.per_second * length / left, 1)))
                break

    def _close(self, number: int) -> None:
        _, meter = self._open.pop(number)
        length = self.options.interval_s
        q = percentiles_ms(meter.latency()) or {}
        counts = meter.counts
        self.points.append(
            Point(
                round(number * length, 3), round(counts.requests / length, 1), counts.failed, counts.unauthorized,
                counts.refreshes, q.get("p50"), q.get("p95"), q.get("p99"), q.get("max"),
            )
        )  # fmt: skip

    @property
    def per_second(self) -> float:
        """Requests per second over the whole run."""
        return self.total.counts.requests / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def busiest(self) -> float:
        """The largest share of a core that a process of the load generator needed."""
        return max(self._cpu_s.values(), default=0.0) / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def beats_s(self) -> list[float]:
        """Seconds after the start at which all access tokens were made to expire."""
        every = self.options.expire_every_s
        return [] if every is None else [round(every * n, 3) for n in range(1, int(self.elapsed_s / every) + 1)]

    def failures(self) -> list[str]:
        """Return the claims that did not hold, one sentence each; empty: the run passed."""
        counts = self.total.counts
        claims = [
            (self.broken is not None, f"The load generator broke off: {self.broken}."),
            (not counts.requests, "No request was made."),
            (counts.failed > 0, f"{counts.failed:,} of {counts.requests:,} requests failed."),
            (counts.surplus > 0, f"{counts.surplus:,} refreshes replaced a token that was still good."),
            (
                counts.refreshes > counts.expected,
                f"{counts.refreshes:,} refreshes, though only {counts.expected:,} tokens had run out.",
            ),
        ]
        return [sentence for is_so, sentence in claims if is_so]

    def remarks(self) -> list[str]:
        """Return what a reader of the figures must know, one sentence each."""
        remarks = []
        lag = percentiles_ms(self.total.latency(what=LAG))
        lag_ms = lag["p95"] if lag else 0.0
        if self.busiest >= CPU_LIMIT or lag_ms >= LAG_LIMIT_MS:
            remarks.append(
                f"The load generator itself was the limit: its busiest process needed {self.busiest:.0%} of a core, "
                f"and its own timers were up to {lag_ms:.0f} ms late (p95). Latencies hold its delays, too. More "
                "--processes, less --concurrency or a lower --rate help."
            )
        if not_begun := self.total.counts.not_begun:
            remarks.append(
                f"{not_begun:,} requests were due and found all {self.options.lanes} places taken until the end: "
                f"the rate of {self.options.rate:g}/s was not reached."
            )
        if self.options.lanes < self.options.concurrency:
            remarks.append(
                f"Concurrency was {self.options.lanes}, the number of users: a session has one refresh at a time."
            )
        if self.interrupted:
            remarks.append("The run was interrupted.")
        return remarks

    def as_dict(self) -> Mapping[str, Any]:
        """Return everything as JSON can carry it: the content of ``--json``. Latencies in milliseconds."""
        total = self.total
        return {
            "passed": not self.failures(),
            "failures": self.failures(),
            "remarks": self.remarks(),
            "began_at": self.began_at,
            "elapsed_s": round(self.elapsed_s, 3),
            "requests_per_second": round(self.per_second, 1),
            "counts": total.counts.as_dict(),
            "errors": dict(total.errors.most_common()),
            "latency_ms": {
                "all": quantiles_ms(total.latency()),
                "met_a_refresh": quantiles_ms(total.latency(met=True)),
                "met_none": quantiles_ms(total.latency(met=False)),
                "by_kind": {kind: quantiles_ms(total.latency(what=kind)) for kind in total.kinds()},
                "refresh_exchange": quantiles_ms(total.latency(what=EXCHANGE)),
            },
            "load_generator": {
                "processes": self.workers,
                "busiest_core_share": round(self.busiest, 3),
                "lag_ms": quantiles_ms(total.latency(what=LAG)),
            },
            "settings": asdict(self.options),
            "machine": asdict(self.machine),
            "expiries_at_s": self.beats_s,
            "intervals": [asdict(point) for point in self.points],
        }
