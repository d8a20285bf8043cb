import asyncio
from typing import Any, cast

from auth_service.models import Revocation
from auth_service.revocations import RevocationFeed
from auth_service.store import SessionStore
from tests.auth_service.running import START_MS, ManualClock

DAY_MS = 86_400_000


class Sessions:
    """What the feed reads; counts how often."""

    def __init__(self) -> None:
        self.revoked: list[Revocation] = []
        self.looks = 0
        self._looked: asyncio.Queue[None] = asyncio.Queue()
        self.failure: Exception | None = None

    async def revocations(self, *, since: int) -> list[Revocation]:
        """See ``SessionStore``."""
        self.looks += 1
        self._looked.put_nowait(None)
        if self.failure is not None:
            raise self.failure
        return [entry for entry in self.revoked if entry.revoked_at >= since]

    async def looked(self, times: int) -> None:
        """Wait for so many more looks."""
        for _ in range(times):
            await asyncio.wait_for(self._looked.get(), 10)

    def revoke(self, sid: str, at: int) -> None:
        """End a session."""
        self.revoked.append(Revocation(sid, at, cast(Any, "logout")))


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
    waiting = [asyncio.create_task(feed.after(cursor, 30)) for cursor in cursors]
    await sessions.looked(100)  # each looks once for itself: there may be news already
    sessions.revoke("s", clock() - 1000)
    pages = await asyncio.wait_for(asyncio.gather(*waiting), 10)

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
    waiting = asyncio.create_task(feed.after(cursor, 30, is_gone=lambda: hung_up))
    await sessions.looked(3)
    hung_up = True

    assert [] == (await asyncio.wait_for(waiting, 5)).revoked


async def test_a_look_that_fails_fails_for_those_who_wait(clock: ManualClock) -> None:
    """The next question finds the database back."""
    feed, sessions = _feed(clock)
    cursor = (await feed.after(None, 0)).cursor
    waiting = [asyncio.create_task(feed.after(cursor, 30)) for _ in range(2)]
    await sessions.looked(3)
    sessions.failure = OSError("away")
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    sessions.failure = None
    sessions.revoke("s", START_MS)

    assert [OSError, OSError] == [type(result) for result in results]
    assert ["s"] == [entry.session_id for entry in (await feed.after(cursor, 1)).revoked]


async def test_closing_lets_all_go(clock: ManualClock) -> None:
    """A service that stops need not wait for followers."""
    feed, _ = _feed(clock)
    cursor = (await feed.after(None, 0)).cursor
    waiting = asyncio.create_task(feed.after(cursor, 30))
    await asyncio.sleep(0)
    feed.close()

    assert [] == (await asyncio.wait_for(waiting, 5)).revoked
