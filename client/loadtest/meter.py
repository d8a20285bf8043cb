"""What is counted and measured: by a worker for one interval, and by the runner for all."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from hdrh.histogram import HdrHistogram

LONGEST_US: Final = 600_000_000  # ten minutes; anything longer counts as that
DIGITS: Final = 3  # significant ones
PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)

EXCHANGE: Final = "POST /refresh"  # the call itself, inside whatever waited for it
LAG: Final = "lag"  # by how much the load generator's own timers were late
MET: Final = "met"  # a request that was answered 401, or waited for a refresh
PLAIN: Final = "plain"  # all others


def histogram() -> HdrHistogram:
    """Return an empty histogram of microseconds."""
    return HdrHistogram(1, LONGEST_US, DIGITS)


@dataclass(slots=True)
class Counts:
    """Counters of a span of time.

    Attributes:
        requests: ended, in success or failure; replays are parts of their request.
        failed: those that did not get the answer that they should.
        unauthorized: answers 401, before any replay.
        coalesced: callers that waited for a refresh which somebody else had begun.
        late_401s: 401s for a token that had been replaced meanwhile: a replay, no refresh.
        expected: access tokens that stopped being good and were used or due: each may cost one refresh.
        refreshes: refreshes that the auth service answered with new tokens, counted at the connection.
        surplus: refreshes of a token that was still good.
        retries: refresh calls sent again after a failure.
        not_begun: arrivals of the open model that were due and found no free place before the end.
    """

    requests: int = 0
    failed: int = 0
    unauthorized: int = 0
    coalesced: int = 0
    late_401s: int = 0
    expected: int = 0
    refreshes: int = 0
    surplus: int = 0
    retries: int = 0
    not_begun: int = 0

    def add(self, other: "Counts") -> None:
        """Add *other* to this."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_dict(self) -> dict[str, int]:
        """Return all by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Meter:
    """Counters, latencies and errors of one span of time.

    Attributes:
        latencies: microseconds, by what was done (``read``, ``EXCHANGE``, …) and ``MET`` or ``PLAIN``.
        errors: failed requests by kind.
        cpu_s: that the load generator spent.
    """

    counts: Counts = field(default_factory=Counts)
    latencies: dict[tuple[str, str], HdrHistogram] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    cpu_s: float = 0.0

    def record(self, what: str, seconds: float, *, met: bool = False) -> None:
        """Take down one latency."""
        microseconds = min(max(round(seconds * 1e6), 1), LONGEST_US)
        self._histogram(what, MET if met else PLAIN).record_value(microseconds)

    def add(self, other: "Meter") -> None:
        """Add *other* to this."""
        self.counts.add(other.counts)
        self.errors.update(other.errors)
        self.cpu_s += other.cpu_s
        for key, values in other.latencies.items():
            self._histogram(*key).add(values)

    def latency(self, *, what: str | None = None, met: bool | None = None) -> HdrHistogram:
        """Return the latencies of requests: of one kind or all, of those that met a refresh or not or all."""
        merged = histogram()
        wanted = None if met is None else (MET if met else PLAIN)
        for (name, group), values in self.latencies.items():
            is_wanted = name == what if what else name not in (EXCHANGE, LAG)
            if is_wanted and wanted in (None, group):
                merged.add(values)
        return merged

    def kinds(self) -> list[str]:
        """Return what was done, in alphabetical order."""
        return sorted({name for name, _ in self.latencies} - {EXCHANGE, LAG})

    def as_dict(self) -> dict[str, Any]:
        """Return this as JSON can carry it."""
        return {
            "counts": self.counts.as_dict(),
            "latencies": {f"{what}|{met}": values.encode().decode() for (what, met), values in self.latencies.items()},
            "errors": dict(self.errors),
            "cpu_s": self.cpu_s,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return what :meth:`as_dict` described."""
        meter = cls(Counts(**values["counts"]), {}, Counter(values["errors"]), values["cpu_s"])
        for key, encoded in values["latencies"].items():
            what, _, met = key.rpartition("|")
            meter._histogram(what, met).decode_and_add(encoded)
        return meter

    def _histogram(self, what: str, met: str) -> HdrHistogram:
        if (found := self.latencies.get((what, met))) is None:
            found = self.latencies[what, met] = histogram()
        return found


def percentiles_ms(values: HdrHistogram) -> dict[str, float] | None:
    """Return count, p50, p90, p95, p99, p99.9 and max in milliseconds; None of nothing."""
    if not values.get_total_count():
        return None
    found = values.get_percentile_to_value_dict(list(PERCENTILES))
    return {
        "count": values.get_total_count(),
        **{f"p{share:g}": found[share] / 1000 for share in PERCENTILES},
        "max": values.get_max_value() / 1000,
    }


def quantiles_ms(values: HdrHistogram) -> dict[str, float] | None:
    """Return the same with the mean, second; that takes tens of milliseconds: not for every interval."""
    if (found := percentiles_ms(values)) is None:
        return None
    return {"count": found.pop("count"), "mean": round(values.get_mean_value() / 1000, 3), **found}
