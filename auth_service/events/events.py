"""What happened, for the log and for the counters: one structured event and one labelled count for each.

The names are stable: operators search and alert by them. No token, password or key is ever a value.
"""

import math
from collections import Counter as Tally
from collections.abc import Iterable

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from dualtoken_serving.networks import network_of
from dualtoken_serving.sampling import LogSampler

from ..domain.models import RevocationReason
from ..domain.rotation import Kind, Outcome

# What happens at every renewal is of interest only when somebody looks closely.
_LEVELS = {
    Kind.ROTATE: "debug",
    Kind.RETRY: "info",
    Kind.RACE: "info",
    Kind.CATCH_UP: "warning",
    Kind.REUSE: "warning",
    Kind.UNPROVEN: "warning",
}
# Each of these can happen once for a session and generation; nobody repeats it at will.
_ONCE = frozenset({Kind.ROTATE, Kind.CATCH_UP, Kind.REUSE})
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
        self._sparing, self._reminding = LogSampler(_QUIET_S), LogSampler(_REMINDER_S)
        self._abandoned = LogSampler(math.inf)
        # Bound once: the lazy proxy would make a new logger for each event, also for those below the level.
        self._log = structlog.get_logger("auth_service").bind()
        self._logins = Counter("auth_logins", "Log-ins by outcome.", ["outcome"], registry=self.registry)
        self._throttled = Counter(
            "auth_throttled_attempts",
            "Passwords and tokens not looked at, by route.",
            ["route"],
            registry=self.registry,
        )
        self._proofs = Counter(
            "auth_dpop_refusals", "DPoP proofs refused, by error code.", ["error"], registry=self.registry
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
        self._clock = Gauge(
            "auth_clock_ahead_seconds",
            "By how much this machine's clock is ahead of the database.",
            registry=self.registry,
            multiprocess_mode="mostrecent",
        )
        self._rotation_labels = {
            (kind, distance): self._rotations.labels(kind.value, distance)
            for kind in Kind
            for distance in ("behind", "0", "1", "2", f"{_FAR}+")
        }

    def hashing(self, waiting: int) -> None:
        """That many password hashes are being computed or wait, now. May be called by any thread."""
        self._hashing.set(waiting)

    def clock_compared(self, ahead_ms: int, *, is_believed: bool, was: bool) -> None:
        """The machine's clock was compared with the database's; told when it is not believed any more, or is again."""
        self._clock.set(ahead_ms / 1000)
        if was and not is_believed:
            cure = "set this machine's clock or the database's right (NTP); if this machine was paused, restart"
            self._log.critical("clock.differs", ahead_s=ahead_ms / 1000, answers=503, cure=cure)
        elif is_believed and not was:
            self._log.warning("clock.agrees", ahead_s=ahead_ms / 1000)

    def logged_in(self, session_id: str, sub: str, ip: str) -> None:
        """A session began."""
        self._logins.labels("succeeded").inc()
        self._log.info("login.succeeded", sid=session_id, sub=sub, ip=ip)

    def login_refused(self, ip: str) -> None:
        """User name or password was wrong. One line a second for each network.

        The name is not logged: people type passwords into that field.
        """
        self._logins.labels("refused").inc()
        omitted = self._sparing.admit(("login", network_of(ip)))
        if omitted is not None:
            self._log.warning("login.refused", ip=ip, omitted=omitted)

    def throttled(self, route: str, ip: str) -> None:
        """A password or token was not even looked at: there had been too many. One line a second for each address."""
        self._throttled.labels(route).inc()
        omitted = self._sparing.admit(("throttled", route, network_of(ip)))
        if omitted is not None:
            self._log.warning("attempt.throttled", route=route, ip=ip, omitted=omitted)

    def service_refused(self, route: str, ip: str) -> None:
        """Somebody asked for what only services may, without the secret. One line a second, likewise."""
        omitted = self._sparing.admit(("service", route, network_of(ip)))
        if omitted is not None:
            self._log.warning("service.refused", route=route, ip=ip, omitted=omitted)

    def proof_refused(self, error: str, problem: str, ip: str) -> None:
        """A DPoP proof was not good, or stale. One line a second for each error and network."""
        self._proofs.labels(error).inc()
        omitted = self._sparing.admit(("proof", error, network_of(ip)))
        if omitted is not None:
            self._log.warning("proof.refused", error=error, problem=problem, ip=ip, omitted=omitted)

    def page_refused(self, origin: str, ip: str) -> None:
        """A page of an origin that is not listed called. One line a second for each network."""
        omitted = self._sparing.admit(("page", network_of(ip)))
        if omitted is not None:
            self._log.warning("page.refused", origin=origin, setting="AUTH_CORS_ORIGINS", ip=ip, omitted=omitted)

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
        """A refresh token with a good MAC was presented, by the request of this task.

        Whoever holds an old one can present it without end: one line a second for each session and outcome.
        """
        level = _LEVELS.get(outcome.kind, "info")
        # One is a request that was held up. Several on a session are somebody who hangs up so as not to be noticed.
        if outcome.kind is Kind.ABANDONED and self._abandoned.admit(session_id) is None:
            level = "warning"
        values: dict[str, object] = {"sid": session_id, "distance": outcome.distance}
        if outcome.kind not in _ONCE:
            omitted = self._sparing.admit((outcome.kind, session_id))
            if omitted is None:
                return
            values["omitted"] = omitted
        getattr(self._log, level)(_EVENTS[outcome.kind], **values)

    def malformed(self) -> None:
        """Something was presented that is no refresh token of this service. One line a second."""
        self._rotations.labels("malformed", "0").inc()
        omitted = self._sparing.admit("malformed")
        if omitted is not None:
            self._log.info("rotation.malformed", omitted=omitted)

    def unavailable(self, problem: str) -> None:
        """The database did not answer a call. One line a second."""
        omitted = self._sparing.admit("unavailable")
        if omitted is not None:
            self._log.error("unavailable", problem=problem, omitted=omitted)

    def batch(self, size: int) -> None:
        """A transaction of *size* rotations was committed."""
        self._batch.observe(size)

    def password_refused(self, session_id: str, sub: str) -> None:
        """Who wanted to change a password did not know the current one."""
        omitted = self._sparing.admit(("password", session_id))
        if omitted is not None:
            self._log.warning("password.refused", sid=session_id, sub=sub, omitted=omitted)

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
