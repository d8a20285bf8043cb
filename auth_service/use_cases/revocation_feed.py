"""The revocation feed: recent revocations, read from the sessions table, for verifiers of access tokens.

The cursor makes the feed stateless: it records up to when its holder has seen everything (milliseconds since the
epoch), and what it has seen of the last moments. A transaction commits a little after it took its time, and replicas'
clocks differ: so the last moments are always read again, and a digest tells whether they hold anything new. If there is
more than one page, the next begins behind the last entry, and the feed then goes on from when the first page was made.
Any process of any replica accepts any cursor.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..domain.clock import Clock
from ..domain.models import Revocation
from ..errors import InvalidRequest
from ..store import COMMIT_S, TRANSACTION_S, SessionStore

# A revocation is as old as the call that made it, and can be read when it is committed: that much later at most. A call
# that would take longer is refused, and has revoked nothing.
_OVERLAP_MS = (TRANSACTION_S + COMMIT_S) * 1000
_LOOK_INTERVAL_S = 0.2
PAGE_ENTRIES = 2000
# Followers that start together ask for the same old pages: so many are remembered, for so long.
_PAGES, _REMEMBERED_MS = 64, 60_000
_FIRST_STEP_MS = 1000
_CURSOR = re.compile(r"(\d{1,15})\.([0-9a-f]{16})", re.ASCII)
_PLACE = re.compile(r"(\d{1,15})\.(\d{1,15})\.([\w-]{22})", re.ASCII)
_NOTHING_SEEN = "0" * 16


@dataclass(frozen=True, slots=True)
class Page:
    """What to tell a verifier, and the cursor to ask with next.

    ``more``: there is more to be told at once; until then nobody knows all that matters.
    """

    cursor: str
    revoked: list[Revocation]
    more: bool = False


class _Place(NamedTuple):
    """Behind which entry a follower goes on, and since when it has been reading page after page."""

    began: int
    revoked_at: int
    session_id: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What the database held when it was looked at: at least what anybody waits for, and when that was.

    Cut after ``PAGE_ENTRIES``.
    """

    now: int
    revoked: list[Revocation]

    def page(self, since: int) -> Page:
        entries = [entry for entry in self.revoked if entry.revoked_at >= since]
        if len(self.revoked) >= PAGE_ENTRIES:
            last = self.revoked[-1]
            return Page(f"{self.now}.{last.revoked_at}.{last.session_id}", entries, more=True)
        recent = [entry for entry in self.revoked if entry.revoked_at >= self.now - _OVERLAP_MS]
        return Page(f"{self.now}.{_digest(recent)}", entries)


class RevocationFeed:
    """Answers with news, or waits for some. All who wait share one look at the database in each interval.

    Args:
        store: where sessions are.
        clock: milliseconds since the epoch.
        keep: milliseconds for which an access token may live that is signed now: entries are told for as long.
        longest: likewise, of any that could have been signed before the start: entries are told for as long until then.
    """

    def __init__(self, store: SessionStore, clock: Clock, *, keep: int, longest: int | None = None) -> None:
        self._store, self._clock = store, clock
        self._keep, self._longest = keep, max(keep, longest or 0)
        self._began: int | None = None
        self._closed = asyncio.Event()
        self._waiting: Counter[int] = Counter()  # up to when those who wait have seen everything
        self._next_look: asyncio.Task[_Look] | None = None
        self._pages: dict[tuple[int, str], asyncio.Task[list[Revocation]]] = {}
        self._remembers_since = 0

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
        place = self._beginning() if cursor is None else _place(cursor)
        if place is not None:
            return await self._page_behind(place, is_first=cursor is None)
        seen_until, digest = _parse(cursor or "")
        page = (await self._look(self._since(seen_until))).page(self._since(seen_until))
        deadline = asyncio.get_running_loop().time() + wait_s
        # Of what was seen, only that of the last moments can be compared.
        while _digest(page.revoked) == digest and not page.more:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or self._closed.is_set() or is_gone():
                return Page(page.cursor, [])
            look = await self._look_with_others(seen_until, left)
            page = look.page(self._since(seen_until)) if look else page
        return page

    def _beginning(self) -> _Place:
        now = self._clock()
        oldest = self._oldest(now)
        return _Place(now, oldest - oldest % _FIRST_STEP_MS, "")

    def _oldest(self, now: int) -> int:
        """Return since when what was revoked matters. A setting may have been lowered just before the start."""
        if self._began is None:
            self._began = now
        return now - (self._keep if now - self._began > self._longest else self._longest)

    async def _page_behind(self, place: _Place, *, is_first: bool) -> Page:
        rows = await self._rows(place)
        if len(rows) == PAGE_ENTRIES:
            return Page(f"{place.began}.{rows[-1].revoked_at}.{rows[-1].session_id}", rows, more=True)
        if is_first:
            return _Look(place.began, rows).page(place.revoked_at)
        # What was revoked since the first page comes next. Where that is never little, it need not be nothing.
        lags = self._clock() - place.began > _OVERLAP_MS
        return Page(f"{place.began}.{_NOTHING_SEEN}", rows, more=lags)

    async def _rows(self, place: _Place) -> list[Revocation]:
        """Read a page once for all who ask for it. Only what can change no more is remembered."""
        now, key = self._clock(), (place.revoked_at, place.session_id)
        if abs(now - self._remembers_since) > _REMEMBERED_MS or len(self._pages) >= _PAGES:
            self._pages, self._remembers_since = {}, now
        reading = self._pages.get(key)
        if reading is None:
            reading = self._pages[key] = asyncio.create_task(
                self._store.revocations(since=place.revoked_at, after=place.session_id, limit=PAGE_ENTRIES)
            )
            reading.add_done_callback(_retrieve)
        try:
            rows = await asyncio.shield(reading)
        except BaseException:
            self._pages.pop(key, None)
            raise
        if len(rows) < PAGE_ENTRIES or rows[-1].revoked_at > now - _OVERLAP_MS:
            self._pages.pop(key, None)
        return rows

    def _since(self, seen_until: int) -> int:
        now = self._clock()
        return max(min(seen_until, now) - _OVERLAP_MS, self._oldest(now))

    async def _look(self, since: int) -> _Look:
        now = self._clock()
        return _Look(now, await self._store.revocations(since=since, limit=PAGE_ENTRIES))

    async def _look_with_others(self, seen_until: int, within_s: float) -> _Look | None:
        """Return the next look; None if it does not end within so many seconds."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look_for_all())
            self._next_look.add_done_callback(_retrieve)
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


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Take the error of a task: those who wait for it may all be gone by then."""
    if not task.cancelled():
        task.exception()


def _place(cursor: str) -> _Place | None:
    match = _PLACE.fullmatch(cursor)
    return _Place(int(match[1]), int(match[2]), match[3]) if match else None


def _parse(cursor: str) -> tuple[int, str]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidRequest("after: not a cursor of this feed.")
    return int(match[1]), match[2]


def _digest(entries: Iterable[Revocation]) -> str:
    text = "\n".join(sorted(entry.session_id for entry in entries))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
