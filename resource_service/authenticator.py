"""A verifier, the keys that it uses, and the revocations that it must know of, kept current together."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import get_args

import structlog

from .clock import passing_s
from .errors import KeySetRefused, KeysUnavailable, UnknownKey
from .keys.refresher import Keys, KeySource
from .lifetimes import Lifetimes
from .revocation.feed_client import RevocationFeed
from .revocation.follower import STALE_AFTER_S, Follower, Stale
from .verification.claims import Claims
from .verification.jwk_set import KeySet
from .verification.revoked_sessions import RevokedSessions, retention_s
from .verification.verifier import CACHE_MIB, ValidationPolicy, Verifier

log = structlog.wrap_logger(logging.getLogger(__name__))

ACCESS_TTL_S = 3600


@dataclass(frozen=True, slots=True)
class FeedPolicy:
    """How far the revocation feed counts.

    Attributes:
        stale: what happens when the feed is silent for ``stale_after_s`` seconds, see :class:`Follower`.
        access_ttl_s: seconds that an access token can live; a longer life that the feed tells of counts instead.

    Raises:
        ValueError: one of them is none of its kind: any other word than ``closed`` would count as ``open``.
    """

    stale: Stale = "closed"
    stale_after_s: float = STALE_AFTER_S
    access_ttl_s: int = ACCESS_TTL_S

    def __post_init__(self) -> None:
        if self.stale not in get_args(Stale):
            raise ValueError(f"stale must be open or closed, not {self.stale!r}")
        if not (self.stale_after_s > 0 and self.access_ttl_s > 0):
            raise ValueError("stale_after_s and access_ttl_s must be more than 0")


DEFAULT_FEED_POLICY = FeedPolicy()


class Authenticator:
    """Says who a token speaks for, with everything that it takes to know.

    Args:
        source: where the keys come from.
        feed: where revocations come from; None to honour every token until it expires.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        policy: ValidationPolicy,
        source: KeySource,
        *,
        feed: RevocationFeed | None = None,
        feed_policy: FeedPolicy = DEFAULT_FEED_POLICY,
        cache_mib: float = CACHE_MIB,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.revoked = RevokedSessions(retention_s(feed_policy.access_ttl_s, policy.leeway_s))
        policy = replace(policy, needs_sid=feed is not None)
        self.verifier = Verifier(policy, revoked=self.revoked, cache_mib=cache_mib, clock=clock)
        self.keys = Keys(source, self._use)
        self.follower: Follower | None = None
        if feed is not None:
            self.follower = Follower(
                feed,
                self.revoked,
                leeway_s=policy.leeway_s,
                stale=feed_policy.stale,
                stale_after_s=feed_policy.stale_after_s,
            )
        self.authenticate: Callable[[str], Claims] = self.verifier.verify_credentials
        """Verify credentials with what is known now: see :meth:`Verifier.verify_credentials`."""
        self.lifetimes = Lifetimes(self.authenticate, self._remaining_s)
        self.revoked.on_revoked = self.lifetimes.revoked
        self._leeway_s, self._clock = policy.leeway_s, clock
        self.is_running = False

    def _use(self, keys: KeySet) -> None:
        self.verifier.use(keys)
        self.lifetimes.keys_changed()

    def _remaining_s(self, claims: Claims) -> float:
        return min(claims.exp + self._leeway_s - self._clock(), self.revoked.known_until - passing_s())

    @property
    def ready(self) -> dict[str, bool]:
        """What must hold before requests are worth sending here."""
        checks = {"keys": self.keys.current is not None and bool(self.keys.current.keys)}
        if self.follower is not None:
            # A silent feed that closes nothing must not make a platform send the requests elsewhere.
            checks["revocations"] = not self.follower.refuses
        return checks

    async def authenticate_with_newer_keys(self, credentials: str) -> Claims:
        """Verify credentials; those of an unknown key once more, with keys read after this call.

        Raises:
            TokenRefused, Unavailable: as ``authenticate``.
            KeysUnavailable: the key is unknown, and newer ones cannot be had: it may be among them.
        """
        try:
            return self.authenticate(credentials)
        except UnknownKey:
            await self.keys.newer()
        try:
            return self.authenticate(credentials)
        except UnknownKey:
            if self.keys.problem is None:
                raise
            raise KeysUnavailable("an unknown key, while the key source is unusable") from None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load the keys, then keep keys and revocations current until the context ends.

        Raises:
            KeySetRefused: the keys are the operator's to mend. Keys of another service may come later.
            RuntimeError: it is kept current already: the end of one would leave the other with what is known by then.
        """
        if self.is_running:
            raise RuntimeError("running already: mount a Bearer on one application, which may have others below it")
        self.is_running = True
        try:
            async with self._kept_current():
                yield
        finally:
            self.is_running = False
            self.keys.forget()

    @contextlib.asynccontextmanager
    async def _kept_current(self) -> AsyncIterator[None]:
        try:
            await self.keys.load()
        except KeySetRefused as error:
            if self.keys.source.local:
                raise
            log.warning("keys.awaited", problem=str(error))
        tasks = [asyncio.create_task(self.keys.watch(), name="keys")]
        if self.follower is not None:
            tasks.append(asyncio.create_task(self.follower.follow(), name="revocations"))
        for task in tasks:
            task.add_done_callback(_report_end)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _report_end(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("task.ended", task=task.get_name(), exc_info=error)
