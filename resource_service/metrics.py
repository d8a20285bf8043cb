"""What this service tells Prometheus. No label ever holds anything that a user or a token says."""

import os
from collections.abc import Mapping, Sequence

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess

from resource_service.authenticator import Authenticator
from resource_service.shared_metrics import VARIABLE

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
"""The upper bounds of the histogram's buckets; another one holds all that took longer."""
Labels = tuple[str, str, str]
"""Method, route and class of status: nothing that a caller invents."""


class Times:
    """Requests of one kind since they were last fetched.

    Attributes:
        counts: how many, by bucket.
        seconds: what they took, together.
    """

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.seconds = 0.0

    def fetch(self) -> tuple[list[int], float]:
        """Return what was counted, and begin anew."""
        fetched = self.counts, self.seconds
        self.counts, self.seconds = [0] * len(self.counts), 0.0
        return fetched


class Sums(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], seconds: float) -> None:
        """Add observations: how many by bucket, and their sum."""
        self._sum.inc(seconds)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


class Metrics:
    """The numbers of one worker.

    Requests only count in plain integers; :meth:`update` hands the sums on, off the path of any request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._told: dict[Counter, int] = {}
        self._outcomes = Counter(
            "resource_authentications",
            "Requests to routes that ask for a token, by what became of it",
            ["outcome"],
            registry=registry,
        )
        self._lookups = Counter(
            "resource_token_cache_lookups",
            "Tokens looked for among the verified ones that a worker remembers, by result",
            ["result"],
            registry=registry,
        )
        self._requests = Sums(
            "resource_request_duration_seconds",
            "Requests answered, by method, route and class of status",
            ["method", "route", "status"],
            buckets=BOUNDS_S,
            registry=registry,
        )
        self._gauges = {
            name: Gauge(f"resource_{name}", text, registry=registry, multiprocess_mode="livemax")
            for name, text in {
                "keys": "Keys that verify tokens",
                "keys_refused": "1 while the key source is unusable and the last good keys are kept",
                "cached_tokens": "Verified tokens remembered by a worker",
                "revoked_sessions": "Revoked sessions remembered by a worker",
                "revocations_age_seconds": "Seconds since the revocation feed last answered, or since the start",
            }.items()
        }

    def update(self, authenticator: Authenticator, outcomes: Mapping[str, int], times: Mapping[Labels, Times]) -> None:
        """Take over where *authenticator* stands, and what was counted since the last time."""
        for outcome, count in outcomes.items():
            self._tell(self._outcomes.labels(outcome), count)
        self._tell(self._lookups.labels("hit"), authenticator.verifier.hits)
        self._tell(self._lookups.labels("miss"), authenticator.verifier.misses)
        for labels, kind in times.items():
            self._requests.labels(*labels).add(*kind.fetch())
        keys, follower = authenticator.keys, authenticator.follower
        self._gauges["keys"].set(len(keys.current.keys) if keys.current else 0)
        self._gauges["keys_refused"].set(keys.problem is not None)
        self._gauges["cached_tokens"].set(authenticator.verifier.cached)
        self._gauges["revoked_sessions"].set(len(authenticator.revoked.ids))
        if follower is not None:
            self._gauges["revocations_age_seconds"].set(follower.silent_s)

    def _tell(self, counter: Counter, count: int) -> None:
        counter.inc(count - self._told.get(counter, 0))
        self._told[counter] = count

    def exposition(self) -> bytes:
        """Render the numbers of all workers, in the text format of Prometheus."""
        if VARIABLE not in os.environ:
            return prometheus_client.generate_latest(self.registry)
        everything = CollectorRegistry()
        multiprocess.MultiProcessCollector(everything)  # type: ignore[no-untyped-call]  # as prometheus_client has it
        return prometheus_client.generate_latest(everything)
