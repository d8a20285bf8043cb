"""Follows the revocation feed: a log-out at the auth service is a 401 here, in well under a second."""

import asyncio
import logging
import math
import random
from collections.abc import Callable
from typing import Literal

import structlog

from dualtoken_serving.tracing import new_trace, working_on

from ..clock import passing_s
from ..errors import FeedRefused
from ..verification.revoked_sessions import RevokedSessions, retention_s
from .feed_client import Answer, RevocationFeed

log = structlog.wrap_logger(logging.getLogger(__name__))

WAIT_S = 20
"""Seconds that one question stays open; the feed allows 30."""
STALE_AFTER_S = 60.0
PAUSE_S = 0.2
"""Seconds to pause after each answer. The feed tells the last moments again with each piece of news: without a pause,
steady revocations would make a follower ask all the time; and so would a feed without long polling."""
SLICE = 1000
"""Sessions that are taken in before requests have their turn again."""
WHOLE_EVERY_S = 300.0
"""Seconds between two questions for everything that still matters. News is told by the clocks of the issuer's machines:
after a step of one, or where a machine was paused, an entry may be written later than the feed looks back."""

Stale = Literal["open", "closed"]


class Follower:
    """Keeps *revoked* up to date; one per process.

    Args:
        leeway_s: seconds that tokens are honoured after their expiry.
        stale: what happens when the feed has been silent for *stale_after_s* seconds. ``closed``: no token is honoured
            until it speaks again. ``open``: what is known by then goes on to count.
        clock: seconds that pass, asleep or awake; the verifier's.
    """

    def __init__(
        self,
        feed: RevocationFeed,
        revoked: RevokedSessions,
        *,
        leeway_s: float = 5.0,
        stale: Stale = "closed",
        stale_after_s: float = STALE_AFTER_S,
        wait_s: int = WAIT_S,
        clock: Callable[[], float] = passing_s,
    ) -> None:
        self._feed = feed
        self._revoked = revoked
        self._leeway_s = leeway_s
        self._stale_after_s = stale_after_s if stale == "closed" else math.inf
        revoked.known_until = -math.inf if stale == "closed" else math.inf
        self._wait_s = wait_s
        self._clock = clock
        self._began_at = clock()
        self._answered_at: float | None = None
        self._cursor: str | None = None
        self._cursor_before: str | None = None
        self._is_interrupted = False
        self._has_more = False
        self._asked_for_all_at = float("-inf")

    @property
    def age_s(self) -> float | None:
        """Seconds since the feed last answered; None before its first answer."""
        return None if self._answered_at is None else self._clock() - self._answered_at

    @property
    def silent_s(self) -> float:
        """Seconds since the feed last answered, or since there was somebody to hear it."""
        return self._clock() - (self._began_at if self._answered_at is None else self._answered_at)

    @property
    def refuses(self) -> bool:
        """Whether no token may be honoured now, since who was revoked meanwhile is unknown."""
        return self._clock() > self._revoked.known_until

    async def follow(self) -> None:
        """Follow until cancelled, through all failures; reconnect with backoff, and resume where it stopped."""
        failures = 0
        async with self._feed:
            while True:
                with working_on(new_trace()):
                    failures = 0 if await self._ask() else failures + 1
                if failures or not self._has_more:
                    await asyncio.sleep(_backoff_s(failures) if failures else PAUSE_S)

    async def _ask(self) -> bool:
        """Ask once. Return whether there was an answer."""
        if self._clock() - self._asked_for_all_at >= WHOLE_EVERY_S and not self._has_more:
            self._cursor = None
        if self._cursor is None:
            self._asked_for_all_at = self._clock()
        # Whoever knows nothing yet wants the list at once, not news; after an interruption, a sign of life: without it
        # the service stays closed.
        is_behind = self._cursor is None or self._is_interrupted or self._has_more
        wait_s = 0 if is_behind else self._wait_s
        try:
            await self._apply(await self._feed.ask(self._cursor, wait_s))
        except FeedRefused as error:
            log.warning("revocations.interrupted", problem=str(error), age_s=self.age_s)
            # The overlap costs a few entries that are known already, and covers an answer that was lost half-way. A
            # cursor that the feed does not know (any more) is given up: everything is asked for anew.
            self._go_on_from(None if error.cursor_refused else self._cursor_before)
            return False
        except Exception:
            # A follower that ended would be noticed when the service closes, and never mend.
            log.exception("revocations.failed")
            self._go_on_from(None)
            return False
        return True

    def _go_on_from(self, cursor: str | None) -> None:
        self._is_interrupted = True
        self._cursor, self._has_more = cursor, self._has_more and cursor is not None

    async def _apply(self, answer: Answer) -> None:
        now = self._clock()
        if answer.access_ttl_s is not None:
            # Never shorter than before: tokens of the longer life may still be about.
            needed_s = retention_s(answer.access_ttl_s, self._leeway_s)
            self._revoked.retention_s = max(self._revoked.retention_s, needed_s)
        for number, entry in enumerate(answer.revoked, 1):
            self._revoked.add(entry["sid"], now)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self._revoked.prune(now)
        self._cursor_before, self._cursor = self._cursor, answer.cursor
        self._is_interrupted, self._has_more = False, answer.more
        if not answer.more:
            self._answered_at = now
            self._revoked.known_until = now + self._stale_after_s
        if answer.revoked:
            log.info("revocations.received", sessions=len(answer.revoked))


def _backoff_s(failures: int) -> float:
    """Return the seconds to pause after so many failures in a row; workers that failed together ask apart."""
    return min(0.05 * 2.0 ** min(failures - 1, 10), 2.0) + random.uniform(0, 0.2)  # noqa: S311 - no secret
