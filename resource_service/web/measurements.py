"""This service's metrics. No label ever holds a value from a user or a token."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from dualtoken_serving.metrics import Metrics

from .guard import Guard


class ResourceMetrics(Metrics):
    """The numbers of one worker.

    Args:
        guard: what looks at tokens, and counts what becomes of requests.
    """

    def __init__(self, guard: Guard) -> None:
        registry = CollectorRegistry()
        super().__init__("resource", registry)
        self._guard = guard
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

    def update(self) -> None:
        """Take over where the authenticator stands, and what was counted since the last time."""
        super().update()
        authenticator = self._guard.authenticator
        for outcome, count in self._guard.outcomes.items():
            self._tell(self._outcomes.labels(outcome), count)
        self._tell(self._lookups.labels("hit"), authenticator.verifier.hits)
        self._tell(self._lookups.labels("miss"), authenticator.verifier.misses)
        keys, follower = authenticator.keys, authenticator.follower
        self._gauges["keys"].set(len(keys.current.keys) if keys.current else 0)
        self._gauges["keys_refused"].set(keys.problem is not None)
        self._gauges["cached_tokens"].set(authenticator.verifier.cached)
        self._gauges["revoked_sessions"].set(len(authenticator.revoked.ids))
        if follower is not None:
            self._gauges["revocations_age_seconds"].set(follower.silent_s)

    def _tell(self, counter: Counter, count: int) -> None:
        told = self._told.get(counter, 0)
        # What was told as accepted may turn out not to be enough: a counter waits, since it never goes down.
        counter.inc(max(0, count - told))
        self._told[counter] = max(told, count)
