"""The revocation feed: what was revoked lately, read from the sessions table by whoever verifies access tokens.

The cursor makes the feed stateless: it says up to when its holder has seen everything (milliseconds since the epoch),
and what it has seen of the last moments. A transaction commits a little after it took its time, and replicas' clocks
differ: so the last moments are always read again, and a digest tells whether they hold anything new. Any process of
any replica can go on from any cursor.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
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


@dataclass(frozen=True, slots=True)
class _Look:
    """What the database held when it was looked at: at least what anybody waits for, and when that was."""

    now: int
    revoked: list[Revocation]

    def page(self, since: int) -> Page:
        recent = [entry for entry in self.revoked if entry.revoked_at >= self.now - _OVERLAP_MS]
        return Page(f"{self.now}.{_digest(recent)}", [entry for entry in self.revoked if entry.revoked_at >= since])


class RevocationFeed:
    """Answers with news, or waits for some. All who wait share one look at the database in each interval."""

    def __init__(self, store: SessionStore, clock: Clock, *, keep: int) -> None:
        """Serve what was revoked in the last *keep* milliseconds: as long as any access token may live."""
        self._store, self._clock, self._keep = store, clock, keep
        self._closed = asyncio.Event()
        self._waiting: Counter[int] = Counter()  # up to when those who wait have seen everything
        self._next_look: asyncio.Task[_Look] | None = None

    async def after(self, cursor: str | None, wait_s: float, *, is_gone: Callable[[], bool] = lambda: False) -> Page:
        """Return what was revoked since a cursor, or wait for it. An entry may come twice; none is left out.

        Args:
            cursor: of the page before; None for all that matters.
            wait_s: seconds to wait for news, at most.
            is_gone: says whether whoever asked has hung up.

        Raises:
            InvalidRequest: the cursor is not one of this feed's.
            Unavailable: the database does not answer.
        """
        if cursor is None:
            since = self._clock() - self._keep
            return (await self._look(since)).page(since)
        seen_until, digest = _parse(cursor)
        page = (await self._look(self._since(seen_until))).page(self._since(seen_until))
        deadline = asyncio.get_running_loop().time() + wait_s
        # Of what was seen, only that of the last moments can be compared.
        while _digest(page.revoked) == digest:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self._closed.is_set() or is_gone():
                return Page(page.cursor, [])
            look = await self._look_with_others(seen_until, left)
            page = look.page(self._since(seen_until)) if look else page
        return page

    def _since(self, seen_until: int) -> int:
        now = self._clock()
        return max(min(seen_until, now) - _OVERLAP_MS, now - self._keep)

    async def _look(self, since: int) -> _Look:
        now = self._clock()
        return _Look(now, await self._store.revocations(since=since))

    async def _look_with_others(self, seen_until: int, within_s: float) -> _Look | None:
        """Return the next look; None if it does not end within so many seconds."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look_for_all())
            # Those who wait may all be gone by then.
            self._next_look.add_done_callback(lambda look: look.cancelled() or look.exception())
        look = self._next_look
        self._waiting[seen_until] += 1
        try:
            done, _ = await asyncio.wait({look}, timeout=within_s)
        finally:
            self._waiting[seen_until] -= 1
        return look.result() if done else None

    async def _look_for_all(self) -> _Look:
        await self._pause(_LOOK_INTERVAL_S)
        self._next_look = None  # who comes from here on waits for another
        self._waiting = +self._waiting  # only those who are still there
        return await self._look(self._since(min(self._waiting, default=self._clock())))

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
