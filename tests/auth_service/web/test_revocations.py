import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from dualtoken.auth_service.domain.models import encode_session_id
from dualtoken.auth_service.web.app_keys import REVOCATIONS
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import START_MS, Auth
from tests.deadline import HANGS_S

SECRET = "0123456789abcdef0123456789abcdef"
Page = dict[str, Any]


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with a service secret."""
    return await start_auth(service_secret=SecretStr(SECRET))


async def feed(auth: Auth, **query: str) -> Page:
    """Return a page of the feed."""
    response = await auth.client.get("/revocations", params=query, headers={"Authorization": f"Bearer {SECRET}"})
    assert 200 == response.status, await response.text()
    return dict(await response.json())


async def ended_session(auth: Auth) -> str:
    """Log in and out; return the session's id."""
    token = (await auth.log_in())["refresh_token"]
    await auth.post("/logout", {"token": token})
    return session_of(token)


def session_of(refresh_token: str) -> str:
    """Return the session id that a refresh token carries."""
    return encode_session_id(urlsafe_b64decode(refresh_token.removeprefix("dtr1_"))[6:22])


async def test_the_feed_begins_with_all_that_matters(auth: Auth) -> None:
    """Without a cursor, the feed has every revocation that an access token may still outlive."""
    sid = await ended_session(auth)
    page = await feed(auth)

    assert [{"sid": sid, "revoked_at": START_MS // 1000, "reason": "logout"}] == page["revoked"]
    assert {"cursor", "revoked", "access_ttl_s"} == page.keys()


async def test_a_reuse_is_in_the_feed(auth: Auth) -> None:
    """A replayed token reaches every verifier."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(await auth.rotate(first))
    await auth.refresh(first)

    assert [(session_of(first), "reuse")] == [
        (entry["sid"], entry["reason"]) for entry in (await feed(auth))["revoked"]
    ]


async def test_a_cursor_hears_no_old_news(auth: Auth) -> None:
    """After its cursor a follower hears what came later, and nothing when nothing came."""
    await ended_session(auth)
    cursor = (await feed(auth))["cursor"]
    assert [] == (await feed(auth, after=cursor))["revoked"]
    auth.clock.advance(1)
    sid = await ended_session(auth)

    assert sid in [entry["sid"] for entry in (await feed(auth, after=cursor))["revoked"]]


async def test_news_ends_the_wait(auth: Auth) -> None:
    """A follower that waits hears of a revocation long before its wait is over."""
    cursor = (await feed(auth))["cursor"]
    async with asyncio.timeout(HANGS_S):
        waiting = asyncio.create_task(feed(auth, after=cursor, wait="30"))
        sid = await ended_session(auth)
        page = await waiting

    assert [sid] == [entry["sid"] for entry in page["revoked"]]


async def test_a_hang_up_ends_the_wait(auth: Auth) -> None:
    """A follower that is gone costs no look at the database any more."""
    cursor = (await feed(auth))["cursor"]
    looks: asyncio.Queue[bool] = asyncio.Queue()
    feed_itself = auth.client.app[REVOCATIONS]
    after = feed_itself.after

    async def watched_after(*args: Any, is_gone: Callable[[], bool]) -> Any:
        def watched_is_gone() -> bool:
            looks.put_nowait(is_gone())
            return is_gone()

        return await after(*args, is_gone=watched_is_gone)

    feed_itself.after = watched_after  # type: ignore[method-assign]
    asking = asyncio.create_task(feed(auth, after=cursor, wait="30"))
    async with asyncio.timeout(HANGS_S):
        assert not await looks.get()
        asking.cancel()

        while not await looks.get():
            pass
    await asyncio.gather(asking, return_exceptions=True)


async def test_a_restart_loses_nothing(start_auth: StartAuth) -> None:
    """A cursor of one process goes on in another: what was revoked in between is heard."""
    secret = SecretStr(SECRET)
    one = await start_auth(service_secret=secret)
    cursor = (await feed(one))["cursor"]
    sid = await ended_session(one)
    other = await start_auth(service_secret=secret)

    assert [sid] == [entry["sid"] for entry in (await feed(other, after=cursor))["revoked"]]


async def test_a_late_commit_is_heard(auth: Auth) -> None:
    """A revocation that took its time before the cursor, and was committed after it, is in the next page."""
    token = (await auth.log_in())["refresh_token"]
    cursor = (await feed(auth))["cursor"]
    auth.sql("UPDATE sessions SET revoked_at = ?, revoked_reason = 'logout'", START_MS - 5000)

    assert [session_of(token)] == [entry["sid"] for entry in (await feed(auth, after=cursor))["revoked"]]


async def test_entries_live_as_long_as_any_access_token(start_auth: StartAuth) -> None:
    """Whatever the life of tokens is now, one of a day may be alive, with a verifier's leeway; then the entry goes."""
    auth = await start_auth(service_secret=SecretStr(SECRET), access_ttl_s=60)
    sid = await ended_session(auth)
    auth.clock.advance(86_400 + 300)
    assert [sid] == [entry["sid"] for entry in (await feed(auth))["revoked"]]
    auth.clock.advance(61)

    assert [] == (await feed(auth))["revoked"]


@pytest.mark.parametrize(
    "query",
    [
        {"after": ""},
        {"after": "x"},
        {"after": "1"},
        {"after": "-1.0123456789abcdef"},
        {"after": "1.0123456789abcdeg"},
        {"after": "9" * 400 + ".0123456789abcdef"},
        {"wait": "-1"},
        {"wait": "30.1"},
        {"wait": "nan"},
        {"wait": "soon"},
        {"wait": ""},
    ],
)
async def test_a_bad_cursor_or_wait_is_an_invalid_request(auth: Auth, query: dict[str, str]) -> None:
    """What the feed never gave out, and a wait outside 0 to 30 seconds, are 400."""
    response = await auth.client.get("/revocations", params=query, headers={"Authorization": f"Bearer {SECRET}"})

    assert (400, "invalid_request") == (response.status, (await response.json())["error"])
