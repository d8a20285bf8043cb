"""The revocation feed: what was revoked lately, read from the sessions table by whoever verifies access tokens.

The cursor makes the feed stateless: it says up to when its holder has seen everything (milliseconds since the epoch),
and what it has seen of the last moments. A transaction commits a little after it took its time, and replicas' clocks
differ: so the last moments are always read again, and a digest tells whether they hold anything new. Any process of
any replica can go on from any cursor.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from auth_service.errors import InvalidRequest
from auth_service.models import Revocation
from auth_service.sessions import Clock
from auth_service.store import COMMIT_S, TRANSACTION_S, SessionStore

# A revocation is as old as the call that made it, and can be read when it is committed: that much later at most. A call
# that would take longer is refused, and has revoked nothing.
_OVERLAP_MS = (TRANSACTION_S + COMMIT_S) * 1000
_LOOK_INTERVAL_S = 0.2
_CURSOR = re.compile(r"(\d{1,15})\.([0-9a-f]{16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """What to tell a verifier, and the cursor to ask with next."""

    cursor: str
    revoked: list[Revocation]


class RevocationFeed:
    """Answers with news, or waits for some."""

    def __init__(self, store: SessionStore, clock: Clock, *, keep: int) -> None:
        """Serve what was revoked in the last *keep* milliseconds: as long as an access token may live."""
        self._store, self._clock, self._keep = store, clock, keep
        self._closed = asyncio.Event()

    async def after(self, cursor: str | None, wait_s: float) -> Page:
        """Return what was revoked since *cursor* (None: all that matters), waiting up to *wait_s* seconds for news.

        An entry may come twice; none is left out.

        Raises:
            InvalidRequest: the cursor is not one of this feed's.
            Unavailable: the database does not answer.
        """
        if cursor is None:
            return await self._page(self._clock() - self._keep)
        seen_until, digest = _parse(cursor)
        deadline = asyncio.get_running_loop().time() + wait_s
        while True:
            now = self._clock()
            since = max(min(seen_until, now) - _OVERLAP_MS, now - self._keep)
            page = await self._page(since)
            # Of what was seen, only that of the last moments can be compared.
            if _digest(page.revoked) != digest:
                return page
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self._closed.is_set():
                return Page(page.cursor, [])
            await self._pause(min(left, _LOOK_INTERVAL_S))

    async def _page(self, since: int) -> Page:
        now = self._clock()
        revoked = await self._store.revocations(since=since)
        recent = [entry for entry in revoked if entry.revoked_at >= now - _OVERLAP_MS]
        return Page(f"{now}.{_digest(recent)}", revoked)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closed.wait(), seconds)
        except TimeoutError:
            return

    def close(self) -> None:
        """Let all who wait go at once: the service is about to stop."""
        self._closed.set()


def _parse(cursor: str) -> tuple[int, str]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidRequest("after: not a cursor of this feed.")
    return int(match[1]), match[2]


def _digest(entries: Iterable[Revocation]) -> str:
    text = "\n".join(sorted(entry.session_id for entry in entries))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
