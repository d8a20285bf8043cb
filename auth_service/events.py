"""What happened, for the log and for the counters: one structured event and one labelled count for each.

The names are stable: operators search and alert by them. No token, password or key is ever a value.
"""

from collections import Counter as Tally
from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from auth_service.models import RevocationReason
from auth_service.networks import network_of
from auth_service.refusals import Sparing
from auth_service.rotation import Kind, Outcome

# What happens at every renewal is of interest only when somebody looks closely.
_LEVELS = {Kind.ROTATE: "debug", Kind.RETRY: "info", Kind.RACE: "info", Kind.CATCH_UP: "warning", Kind.REUSE: "warning"}
_EVENTS = {kind: f"rotation.{kind.value}" for kind in Kind}
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_QUIET_S = 1.0  # between lines that a stranger can cause for nothing
_REMINDER_S = 60.0  # between lines about a setting
_FAR = 3  # from here on, distances share a label: labels must be few


class Events:
    """Raises events. One object for each application; the registry is what ``/metrics`` shows."""

    def __init__(self) -> None:
        """Register the metrics in a registry of their own."""
        self.registry = CollectorRegistry()
        self._sparing, self._reminding = Sparing(_QUIET_S), Sparing(_REMINDER_S)
        # Bound once: the lazy proxy would make a new logger for each event, also for those below the level.
        self._log = structlog.get_logger("auth_service").bind()
        self._logins = Counter("auth_logins", "Log-ins by outcome.", ["outcome"], registry=self.registry)
        self._throttled = Counter(
            "auth_throttled_attempts", "Passwords not looked at, by route.", ["route"], registry=self.registry
        )
        self._rotations = Counter(
            "auth_rotations",
            "Presentations of refresh tokens by outcome and by generation distance.",
            ["outcome", "distance"],
            registry=self.registry,
        )
        self._batch = Histogram(
            "auth_rotation_batch_size",
            "Rotations in one transaction.",
            buckets=_BATCH_BUCKETS,
            registry=self.registry,
        )
        self._revoked = Counter("auth_revocations", "Sessions revoked, by reason.", ["reason"], registry=self.registry)
        self._hashing = Gauge(
            "auth_hashing_queue",
            "Password hashes computed or waiting.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._rotation_labels = {
            (kind, distance): self._rotations.labels(kind.value, distance)
            for kind in Kind
            for distance in ("behind", "0", "1", "2", f"{_FAR}+")
        }

    def hashing(self, waiting: int) -> None:
        """That many password hashes are being computed or wait, now. May be called by any thread."""
        self._hashing.set(waiting)

    def logged_in(self, session_id: str, sub: str, ip: str) -> None:
        """A session began."""
        self._logins.labels("succeeded").inc()
        self._log.info("login.succeeded", sid=session_id, sub=sub, ip=ip)

    def login_refused(self, ip: str) -> None:
        """User name or password was wrong. The name is not logged: people type passwords into that field."""
        self._logins.labels("refused").inc()
        self._log.warning("login.refused", ip=ip)

    def throttled(self, route: str, ip: str) -> None:
        """A password was not even looked at: too many had been wrong. One line a second for each route and address."""
        self._throttled.labels(route).inc()
        omitted = self._sparing.admit(("throttled", route, network_of(ip)))
        if omitted is not None:
            self._log.warning("attempt.throttled", route=route, ip=ip, omitted=omitted)

    def service_refused(self, route: str, ip: str) -> None:
        """Somebody asked for what only services may, without the secret. One line a second, likewise."""
        omitted = self._sparing.admit(("service", route, network_of(ip)))
        if omitted is not None:
            self._log.warning("service.refused", route=route, ip=ip, omitted=omitted)

    def judged(self, outcomes: Iterable[Outcome]) -> None:
        """A transaction has said what the presentations of a batch came to."""
        for (kind, distance), count in Tally((outcome.kind, outcome.distance) for outcome in outcomes).items():
            self._rotation_labels[kind, _label(distance)].inc(count)
            if kind is Kind.REUSE:
                self._revoked.labels(RevocationReason.REUSE.value).inc(count)

    def proxy_untrusted(self, ip: str) -> None:
        """A neighbour forwards requests and is no trusted proxy: its callers share one limit. One line a minute."""
        if self._reminding.admit("proxy") is not None:
            self._log.warning("proxy.untrusted", ip=ip)

    def presented(self, outcome: Outcome, session_id: str) -> None:
        """A refresh token with a good MAC was presented, by the request of this task."""
        level = getattr(self._log, _LEVELS.get(outcome.kind, "info"))
        level(_EVENTS[outcome.kind], sid=session_id, distance=outcome.distance)

    def malformed(self) -> None:
        """Something was presented that is no refresh token of this service."""
        self._rotations.labels("malformed", "0").inc()
        self._log.info("rotation.malformed")

    def batch(self, size: int) -> None:
        """A transaction of *size* rotations was committed."""
        self._batch.observe(size)

    def password_refused(self, session_id: str, sub: str) -> None:
        """Who wanted to change a password did not know the current one."""
        self._log.warning("password.refused", sid=session_id, sub=sub)

    def password_changed(self, sub: str) -> None:
        """A user changed the password; the other sessions ended with the old one."""
        self._log.info("password.changed", sub=sub)

    def revoked(self, reason: RevocationReason, count: int, **values: object) -> None:
        """Sessions were revoked."""
        if count:
            self._revoked.labels(reason.value).inc(count)
            self._log.info("session.revoked", reason=reason.value, count=count, **values)


def _label(distance: int) -> str:
    if distance < 0:
        return "behind"
    return str(distance) if distance < _FAR else f"{_FAR}+"
