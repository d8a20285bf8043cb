"""What became of assertions of other issuers (RFC 7523), and of these issuers' keys."""

from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter

from dualtoken_serving.networks import network_of
from dualtoken_serving.sampling import LogSampler

_QUIET_S = 1.0  # between lines that a stranger can cause for nothing


class AssertionEvents:
    """Raises events, with metrics in *registry*. An issuer is named only if it is listed: others are a stranger's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._sparing = LogSampler(_QUIET_S)
        self._log = structlog.get_logger("auth_service").bind(by="issuer")
        self._refusals = Counter(
            "auth_assertion_refusals", "Assertions that opened no session, by reason.", ["reason"], registry=registry
        )
        self._problems: dict[str, object] = {}

    def refused(self, reason: str, issuer: str | None, ip: str) -> None:
        """An assertion opened no session. One line a second for each reason and network."""
        self._refusals.labels(reason).inc()
        omitted = self._sparing.admit((reason, network_of(ip)))
        if omitted is not None:
            self._log.warning("assertion.refused", reason=reason, issuer=issuer, ip=ip, omitted=omitted)

    def code_refused(self, reason: str, ip: str) -> None:
        """A session code opened no session. One line a second for each reason and network."""
        omitted = self._sparing.admit(("code", reason, network_of(ip)))
        if omitted is not None:
            self._log.warning("session_code.refused", reason=reason, ip=ip, omitted=omitted)

    def created(self, sub: str, issuer: str, ip: str) -> None:
        """A user was made by a first assertion."""
        self._log.info("user.created", sub=sub, issuer=issuer, ip=ip)

    def keys_fetched(self, issuer: str, kids: Sequence[str | None], passed_over: Sequence[str]) -> None:
        """The keys of an issuer were fetched. A line for each change."""
        told = (*kids, *passed_over)
        if self._problems.get(issuer) == told:
            return
        self._problems[issuer] = told
        if passed_over:
            self._log.error("issuer.keys_passed_over", issuer=issuer, problems=list(passed_over[:3]))
        self._log.info("issuer.keys_fetched", issuer=issuer, kids=list(kids))

    def keys_refused(self, issuer: str, problem: str) -> None:
        """The keys of an issuer could not be had. One line a second for each issuer."""
        self._problems.pop(issuer, None)
        omitted = self._sparing.admit(("keys", issuer))
        if omitted is not None:
            self._log.error("issuer.keys_refused", issuer=issuer, problem=problem, omitted=omitted)
