"""The follower, against a feed that a test plays over HTTP."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from dualtoken.resource_service.errors import FeedRefused
from dualtoken.resource_service.revocation.feed_client import Answer, RevocationFeed
from dualtoken.resource_service.revocation.follower import PAUSE_S, SLICE, WHOLE_EVERY_S, Follower
from dualtoken.resource_service.verification.revoked_sessions import RevokedSessions
from tests.deadline import HANGS_S
from tests.resource_service.clock import Clock
from tests.resource_service.services import serving, silent_port, url_of

SECRET = "the service secret"


class Feed:
    """An auth service's feed: answers what a test queues, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Any] = asyncio.Queue()
        self.questions: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.asked_at: list[float] = []

    def application(self) -> web.Application:
        """Serve it."""
        app = web.Application()
        app.router.add_get("/revocations", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        assert f"Bearer {SECRET}" == request.headers["Authorization"]
        self.questions.put_nowait(dict(request.query))
        self.asked_at.append(asyncio.get_running_loop().time())
        answer = await self.answers.get()
        return web.Response(status=answer) if isinstance(answer, int) else web.json_response(answer)

    def say(self, cursor: str, *sids: str, **more: object) -> None:
        """Queue an answer."""
        entries = [{"sid": sid, "revoked_at": 0, "reason": "logout"} for sid in sids]
        self.answers.put_nowait({"cursor": cursor, "revoked": entries} | more)

    async def question(self) -> dict[str, str]:
        """Wait for the next question."""
        return await asyncio.wait_for(self.questions.get(), HANGS_S)


class Following:
    """A follower at work, with everything that a test looks at."""

    def __init__(self, feed: Feed, follower: Follower, revoked: RevokedSessions, clock: Clock) -> None:
        self.feed, self.follower, self.revoked, self.clock = feed, follower, revoked, clock


@contextlib.asynccontextmanager
async def _following(**options: Any) -> AsyncIterator[Following]:
    feed, revoked, clock = Feed(), RevokedSessions(3605), Clock(1000.0)
    async with serving(feed.application()) as url:
        connection = RevocationFeed(str(url / "revocations"), SECRET)
        follower = Follower(connection, revoked, clock=clock, **options)
        task = asyncio.create_task(follower.follow())
        try:
            yield Following(feed, follower, revoked, clock)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_it_asks_for_everything_then_waits_for_news() -> None:
    """Each answer's cursor is where the next question goes on."""
    async with _following() as f:
        f.feed.say("c1", "a", "b")
        f.feed.say("c2", "c")
        questions = [await f.feed.question() for _ in range(3)]

        assert [{"wait": "0"}, {"wait": "20", "after": "c1"}, {"wait": "20", "after": "c2"}] == questions
        assert {"a", "b", "c"} == set(f.revoked.ids)


@pytest.mark.parametrize(
    "nonsense",
    [401, 500, 302, {}, {"cursor": "c"}, {"cursor": 1, "revoked": []}, {"cursor": "c", "revoked": [{"sid": ""}]}],
)
async def test_it_goes_on_after_an_interruption_with_overlap(nonsense: object) -> None:
    """The cursor before the newest one is asked for again, without waiting; nothing that was known is forgotten."""
    async with _following() as f:
        f.feed.say("c1", "a")
        f.feed.say("c2", "b")
        f.feed.answers.put_nowait(nonsense)
        f.feed.say("c3", "b", "c")
        questions = [await f.feed.question() for _ in range(5)]

        assert [
            {"wait": "20", "after": "c2"},
            {"wait": "0", "after": "c1"},
            {"wait": "20", "after": "c3"},
        ] == questions[2:]
        assert {"a", "b", "c"} == set(f.revoked.ids)


async def test_a_list_of_several_pages_is_read_to_its_end() -> None:
    """It asks on without waiting; no token counts before all are known, also where a page is lost."""
    async with _following() as f:
        f.feed.say("c1", "a", more=True)
        f.feed.say("c2", "b", more=True)
        f.feed.answers.put_nowait(500)
        questions = [await f.feed.question() for _ in range(4)]
        refuses = f.follower.refuses
        f.feed.say("c2", "b", more=True)
        f.feed.say("c3", "c")
        questions += [await f.feed.question() for _ in range(2)]

        assert [None, "c1", "c2", "c1", "c2", "c3"] == [question.get("after") for question in questions]
        assert ["0"] * 5 + ["20"] == [question["wait"] for question in questions]
        assert (True, False) == (refuses, f.follower.refuses)
        assert {"a", "b", "c"} == set(f.revoked.ids)


async def test_a_long_list_is_taken_in_by_slices() -> None:
    """Requests have their turn meanwhile: each slice is known before the next is looked at."""
    sids = [f"s{number}" for number in range(3 * SLICE)]
    known = set()
    async with _following() as f:
        f.feed.say("c1", *sids)
        while len(f.revoked.ids) < len(sids):
            known.add(len(f.revoked.ids))
            await asyncio.sleep(0)

    assert {0, SLICE, 2 * SLICE} == known


async def test_steady_news_do_not_make_it_spin() -> None:
    """It pauses after every answer, though each brings something new."""
    async with _following() as f:
        for number in range(4):
            f.feed.say(f"c{number}", f"s{number}")
        for _ in range(5):
            await f.feed.question()
        pauses = [later - earlier for earlier, later in itertools.pairwise(f.feed.asked_at)]

        assert [] == [pause for pause in pauses if not PAUSE_S - 0.01 <= pause]


async def test_now_and_then_it_asks_for_everything() -> None:
    """What was written too late for the feed's look back is heard within minutes; if it is refused, news goes on."""
    async with _following() as f:
        f.feed.say("c1")
        questions = [await f.feed.question() for _ in range(2)]
        f.clock.advance(WHOLE_EVERY_S)
        f.feed.say("c2")
        questions.append(await f.feed.question())
        f.feed.say("c3", "late")
        questions.append(await f.feed.question())
        f.clock.advance(WHOLE_EVERY_S)
        f.feed.say("c4")
        questions.append(await f.feed.question())
        f.feed.answers.put_nowait(500)
        questions.append(await f.feed.question())

        assert [{"wait": "0"}, {"wait": "20", "after": "c3"}, {"wait": "0"}] == questions[2:5]
        assert {"wait": "0", "after": "c3"} == questions[5]
        assert {"late"} == set(f.revoked.ids)


async def test_it_outlives_an_unforeseen_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong here or in a library, everything is asked for anew."""
    async with _following() as f:
        f.feed.say("c1", "a")
        questions = [await f.feed.question() for _ in range(2)]
        with monkeypatch.context() as broken:
            broken.setattr(RevokedSessions, "prune", None)
            f.feed.say("c2", "b")
            questions.append(await f.feed.question())
        f.feed.say("c3", "c")
        questions.append(await f.feed.question())

        assert [{"wait": "0"}, {"wait": "20", "after": "c3"}] == questions[2:]
        assert {"a", "b", "c"} == set(f.revoked.ids)


async def test_an_unknown_cursor_is_given_up() -> None:
    """After a restore the feed may not know it: everything is asked for anew."""
    async with _following() as f:
        f.feed.say("c1", "a")
        f.feed.say("c2")
        f.feed.answers.put_nowait(400)
        questions = [await f.feed.question() for _ in range(4)]

        assert {"wait": "0"} == questions[3]
        assert {"a"} == set(f.revoked.ids)


async def test_the_life_of_a_token_is_the_feeds_to_tell() -> None:
    """Entries are kept for the longest life heard of, the leeway and a minute."""
    async with _following(leeway_s=5) as f:
        f.feed.say("c1", access_ttl_s=7200)
        f.feed.say("c2", "a", access_ttl_s=60)
        for _ in range(3):
            await f.feed.question()

        assert 7265 == f.revoked.retention_s


@pytest.mark.parametrize(("stale", "refuses"), [("closed", True), ("open", False)])
async def test_a_silent_feed_closes_the_service_or_not(stale: Any, refuses: bool) -> None:
    """Fresh until the limit; then the policy decides. An answer opens the service again."""
    async with _following(stale=stale, stale_after_s=60) as f:
        unheard = (f.follower.refuses, f.follower.age_s)
        f.feed.say("c1")
        for _ in range(2):
            await f.feed.question()
        f.clock.advance(60)
        fresh = (f.follower.refuses, f.follower.age_s)
        f.clock.advance(0.1)
        silent = f.follower.refuses
        f.feed.say("c2")
        await f.feed.question()

        assert (refuses, None) == unheard
        assert (False, 60) == fresh
        assert refuses == silent
        assert (False, 0) == (f.follower.refuses, f.follower.age_s)


class AbsentFeed(RevocationFeed):
    """Tells of each question in vain."""

    def __init__(self, url: str) -> None:
        super().__init__(url, SECRET)
        self.refusals: asyncio.Queue[None] = asyncio.Queue()

    async def ask(self, after: str | None, wait_s: int) -> Answer:
        """Ask, and tell if nobody is there."""
        try:
            return await super().ask(after, wait_s)
        except FeedRefused:
            self.refusals.put_nowait(None)
            raise


async def test_an_absent_feed_is_asked_again() -> None:
    """It may start after this service; the first answer comes within seconds of its start."""
    revoked, feed = RevokedSessions(60), Feed()
    with silent_port() as held:
        absent = AbsentFeed(str(url_of(held) / "revocations"))
        task = asyncio.create_task(Follower(absent, revoked).follow())
        for _ in range(2):
            await asyncio.wait_for(absent.refusals.get(), HANGS_S)
        feed.say("c1", "a")
        runner = web.AppRunner(feed.application(), shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, held).start()
        for _ in range(2):
            await feed.question()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()

    assert ["a"] == list(revoked.ids)
