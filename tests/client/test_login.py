"""Logging in, also while a refresh is under way."""

import asyncio

import pytest

from dualtoken.client import AuthRejected, AuthUnavailable, InvalidCredentials, MemoryStorage, TokenSource
from tests.client.conftest import MakeSource
from tests.client.failing_storage import stored
from tests.client.superseded import late_answers
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


async def test_a_login_names_the_user(make_source: MakeSource) -> None:
    """The answer says whose session it is."""
    tokens = await make_source().login("zs", PASSWORD)

    assert tokens.user is not None
    assert ("zs", "zs@example.org", "read write") == (tokens.user.username, tokens.user.email, tokens.scope)


async def test_a_wrong_password_leaves_the_session_alone(source: TokenSource) -> None:
    """A login that fails changes nothing."""
    with pytest.raises(InvalidCredentials):
        await source.login("zs", "wrong")

    assert "at-1" == await source.token()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", status=503, retry_after="7"), AuthUnavailable),
        (Fault("status", status=429), AuthUnavailable),
        (Fault("drop_before"), AuthUnavailable),
        (Fault("half"), AuthUnavailable),
        (Fault("body", body="<html>", content_type="text/html"), AuthRejected),
        (Fault("huge"), AuthRejected),
        (Fault("redirect", body="/"), AuthRejected),
    ],
)
async def test_a_login_that_goes_wrong_is_typed(
    source: TokenSource, pair: Control, fault: Fault, error: type[Exception]
) -> None:
    """It is not sent again by itself, and the session there is goes on."""
    await pair.fault("login", fault)
    with pytest.raises(error, match=r"^login: "):
        await source.login("zs", PASSWORD)

    assert "at-1" == await source.token()
    assert {"logins": 2} == await pair.counts("logins")


async def test_a_login_during_a_refresh_wins(make_source: MakeSource, pair: Control) -> None:
    """Those who wait get the new session's token; the late answer is neither stored nor left alive."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("old", PASSWORD)
    await pair.fault("refresh", Fault("hang_before"))
    callers = [asyncio.create_task(source.token(rejected="at-1")) for _ in range(5)]
    await pair.wait_for_hanging()

    await source.login("new", PASSWORD)

    assert ["at-2"] * 5 == await asyncio.gather(*callers)
    await pair.release()
    await late_answers(source)
    assert {"live_sessions": 1, "logouts": 1} == await pair.counts("live_sessions", "logouts")
    assert ("rt-2", "at-2", 1) == (stored(storage, pair).refresh_token, await source.token(), source.stats.discarded)


async def test_a_login_does_not_wait_for_a_refresh_that_hangs(make_source: MakeSource, pair: Control) -> None:
    """Neither does the first refresh of the new session: the storage's lock is free again."""
    source = make_source()
    await source.login("old", PASSWORD)
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    await source.login("new", PASSWORD)
    await caller

    assert "at-3" == await source.token(rejected="at-2")
    await pair.release()
