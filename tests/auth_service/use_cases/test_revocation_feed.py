import asyncio
import itertools
from collections.abc import Callable
from typing import Any, cast

import pytest

from dualtoken.auth_service.domain.models import Revocation
from dualtoken.auth_service.store import SessionStore
from dualtoken.auth_service.use_cases.revocation_feed import PAGE_ENTRIES, RevocationFeed
from tests.auth_service.running import START_MS, ManualClock
from tests.deadline import HANGS_S

DAY_MS = 86_400_000


class Sessions:
    """What the feed reads; counts how often."""

    def __init__(self) -> None:
        self.revoked: list[Revocation] = []
        self.looks = 0
        self._looked: asyncio.Queue[None] = asyncio.Queue()
        self.failure: Exception | None = None

    async def revocations(self, *, since: int, after: str = "", limit: int | None = None) -> list[Revocation]:
        """See ``SessionStore``."""
        self.looks += 1
        self._looked.put_nowait(None)
        if self.failure is not None:
            raise self.failure
        behind = (since, after)
        ordered = sorted((entry.revoked_at, entry.session_id, entry) for entry in self.revoked)
        return [entry for at, sid, entry in ordered if at >= since and (not after or (at, sid) > behind)][:limit]

    async def looked(self, times: int) -> None:
        """Wait for so many more looks."""
        async with asyncio.timeout(HANGS_S):
            for _ in range(times):
                await self._looked.get()

    def revoke(self, sid: str, at: int) -> None:
        """End a session."""
        self.revoked.append(Revocation(sid, at, cast(Any, "logout")))


async def read_all(*feeds: RevocationFeed, between: Callable[[], None] = lambda: None) -> tuple[set[str], int]:
    """Ask in turn, as a follower behind a balancer does; return what was told, and in how many pages."""
    told: set[str] = set()
    cursor = None
    for number in itertools.count(1):
        page = await feeds[number % len(feeds)].after(cursor, 0)
        told |= {entry.session_id for entry in page.revoked}
        assert len(page.revoked) <= PAGE_ENTRIES
        if not page.more:
            return told, number
        cursor = page.cursor
        between()
    raise AssertionError


def sid_of(number: int) -> str:
    """Return an id of 22 characters."""
    return f"{number:022d}"


def _feed(clock: ManualClock) -> tuple[RevocationFeed, Sessions]:
    sessions = Sessions()
    return RevocationFeed(cast(SessionStore, sessions), clock, keep=DAY_MS), sessions


async def test_all_who_wait_share_one_look(clock: ManualClock) -> None:
    """However many followers wait, and whatever each has seen, the database is looked at once in each interval."""
    feed, sessions = _feed(clock)
    cursors = []
    for _ in range(50):
        clock.advance(1)
        cursors.append((await feed.after(None, 0)).cursor)
    waiting = [asyncio.create_task(feed.after(cursor, 600)) for cursor in cursors]
    await sessions.looked(100)  # each looks once for itself: there may be news already
    sessions.revoke("s", clock() - 1000)
    pages = await asyncio.wait_for(asyncio.gather(*waiting), HANGS_S)

    assert 101 == sessions.looks
    assert [["s"]] * 50 == [[entry.session_id for entry in page.revoked] for page in pages]


async def test_each_hears_what_is_news_to_it(clock: ManualClock) -> None:
    """Sharing a look, a follower that has seen a revocation goes on to wait; one that has not is answered."""
    feed, sessions = _feed(clock)
    before = (await feed.after(None, 0)).cursor
    clock.advance(20)
    sessions.revoke("s", clock())
    after = (await feed.after(None, 0)).cursor
    late, early = (asyncio.create_task(feed.after(cursor, 0.5)) for cursor in (after, before))
    heard = [[entry.session_id for entry in (await task).revoked] for task in (early, late)]

    assert [["s"], []] == heard


async def test_nobody_looks_for_a_follower_that_has_hung_up(clock: ManualClock) -> None:
    """Its wait ends at the next look."""
    feed, sessions = _feed(clock)
    cursor = (await feed.after(None, 0)).cursor
    hung_up = False
    waiting = asyncio.create_task(feed.after(cursor, 600, is_gone=lambda: hung_up))
    await sessions.looked(3)
    hung_up = True

    assert [] == (await asyncio.wait_for(waiting, HANGS_S)).revoked


async def test_a_look_that_fails_fails_for_those_who_wait(clock: ManualClock) -> None:
    """The next question finds the database back."""
    feed, sessions = _feed(clock)
    cursor = (await feed.after(None, 0)).cursor
    waiting = [asyncio.create_task(feed.after(cursor, 600)) for _ in range(2)]
    await sessions.looked(3)
    sessions.failure = OSError("away")
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), HANGS_S)
    sessions.failure = None
    sessions.revoke("s", START_MS)

    assert [OSError, OSError] == [type(result) for result in results]
    assert ["s"] == [entry.session_id for entry in (await feed.after(cursor, 1)).revoked]


async def test_closing_lets_all_go(clock: ManualClock) -> None:
    """A service that stops need not wait for followers."""
    feed, _ = _feed(clock)
    cursor = (await feed.after(None, 0)).cursor
    waiting = asyncio.create_task(feed.after(cursor, 600))
    await asyncio.sleep(0)
    feed.close()

    assert [] == (await asyncio.wait_for(waiting, HANGS_S)).revoked


@pytest.mark.parametrize("distance_ms", [0, 1, 40], ids=["in one millisecond", "one each", "over minutes"])
async def test_a_long_list_comes_in_pages(clock: ManualClock, distance_ms: int) -> None:
    """Any replica goes on where another stopped; no entry is left out, nor one that comes meanwhile."""
    feed, sessions = _feed(clock)
    other = RevocationFeed(cast(SessionStore, sessions), clock, keep=DAY_MS)
    count = 5 * PAGE_ENTRIES
    for number in range(count):
        sessions.revoke(sid_of(number), START_MS - 3_600_000 + number * distance_ms)

    def meanwhile() -> None:
        sessions.revoke(sid_of(len(sessions.revoked)), clock())
        clock.advance(4)

    told, pages = await read_all(feed, other, between=meanwhile)

    assert 5 < pages < 10
    assert {sid_of(number) for number in range(count)} <= told
    assert {entry.session_id for entry in sessions.revoked} == told


async def test_whoever_is_told_all_knows_what_came_while_pages_were_read(clock: ManualClock) -> None:
    """Page after page takes a while; the last one sends its reader on, until little is missing."""
    feed, sessions = _feed(clock)
    for number in range(PAGE_ENTRIES):
        sessions.revoke(sid_of(number), START_MS - 60_000)
    first = await feed.after(None, 0)
    clock.advance(30)
    sessions.revoke("late", clock())
    last = await feed.after(first.cursor, 0)
    after = await feed.after(last.cursor, 30)

    assert (True, True, False) == (first.more, last.more, after.more)
    assert "late" in {entry.session_id for entry in (*last.revoked, *after.revoked)}


async def test_followers_that_start_together_share_the_pages(clock: ManualClock) -> None:
    """A fleet of fifty costs the database what one follower does, but for the end of the list."""
    feed, sessions = _feed(clock)
    for number in range(4 * PAGE_ENTRIES):
        sessions.revoke(sid_of(number), START_MS - 3_600_000 + number)
    lists = [await read_all(feed) for _ in range(50)]

    assert [(4 * PAGE_ENTRIES, 5)] * 50 == [(len(told), pages) for told, pages in lists]
    assert 4 + 50 == sessions.looks


async def test_news_that_fill_a_page_come_in_pages(clock: ManualClock) -> None:
    """Ten thousand sessions end at once while a follower waits: it is told at once, and of all."""
    feed, sessions = _feed(clock)
    cursor = (await feed.after(None, 0)).cursor
    waiting = asyncio.create_task(feed.after(cursor, 600))
    await sessions.looked(2)
    for number in range(10_000):
        sessions.revoke(sid_of(number), clock())
    page = await asyncio.wait_for(waiting, HANGS_S)
    told = {entry.session_id for entry in page.revoked}
    while page.more:
        page = await feed.after(page.cursor, 0)
        told |= {entry.session_id for entry in page.revoked}

    assert 10_000 == len(told)


async def test_entries_are_told_for_as_long_as_a_token_can_live(clock: ManualClock) -> None:
    """As long as a setting of before the start may have let it; from then on, as long as the setting of today."""
    sessions = Sessions()
    feed = RevocationFeed(cast(SessionStore, sessions), clock, keep=3_600_000, longest=DAY_MS)
    counts = []
    for passed_s in (0, 86_400, 2):
        clock.advance(passed_s)
        sessions.revoke(sid_of(len(sessions.revoked)), clock() - 4 * 3_600_000)
        counts.append(len((await read_all(feed))[0]))

    assert [1, 1, 0] == counts
