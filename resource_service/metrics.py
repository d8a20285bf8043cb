"""What this service tells Prometheus. No label ever holds anything that a user or a token says."""

import os

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, multiprocess

from resource_service.authenticator import Authenticator
from resource_service.shared_metrics import VARIABLE


class Metrics:
    """The numbers of one worker.

    Requests only count in plain integers; :meth:`update` hands the sums on, off the path of any request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._told: dict[str, int] = {}
        self._outcomes = Counter(
            "resource_authentications",
            "Requests to routes that ask for a token, by what became of it",
            ["outcome"],
            registry=registry,
        )
        self._gauges = {
            name: Gauge(f"resource_{name}", text, registry=registry, multiprocess_mode="livemax")
            for name, text in {
                "keys": "Keys that verify tokens",
                "keys_refused": "1 while the key source is unusable and the last good keys are kept",
                "cached_tokens": "Verified tokens remembered by a worker",
                "revoked_sessions": "Revoked sessions remembered by a worker",
                "revocations_age_seconds": "Seconds since the revocation feed last answered; -1 before that",
            }.items()
        }

    def update(self, authenticator: Authenticator, outcomes: dict[str, int]) -> None:
        """Take over where *authenticator* stands, and what was counted since the last time."""
        for outcome, count in outcomes.items():
            self._outcomes.labels(outcome).inc(count - self._told.get(outcome, 0))
            self._told[outcome] = count
        keys, follower = authenticator.keys, authenticator.follower
        self._gauges["keys"].set(len(keys.current.keys) if keys.current else 0)
        self._gauges["keys_refused"].set(keys.problem is not None)
        self._gauges["cached_tokens"].set(authenticator.verifier.cached)
        self._gauges["revoked_sessions"].set(len(authenticator.revoked.ids))
        if follower is not None:
            self._gauges["revocations_age_seconds"].set(-1 if follower.age_s is None else follower.age_s)

    def exposition(self) -> bytes:
        """Render the numbers of all workers, in the text format of Prometheus."""
        if VARIABLE not in os.environ:
            return prometheus_client.generate_latest(self.registry)
        everything = CollectorRegistry()
        multiprocess.MultiProcessCollector(everything)  # type: ignore[no-untyped-call]  # as prometheus_client has it
        return prometheus_client.generate_latest(everything)
