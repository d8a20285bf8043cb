"""TokenSource: who gets which token, and what it costs."""

import asyncio

import pytest

from dualtoken.client import LoginRequired, TokenSource
from tests.client.conftest import FakeClock, MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


def step(coroutine: object) -> object:
    """Run a coroutine to its end without an event loop: it must not suspend."""
    with pytest.raises(StopIteration) as stop:
        coroutine.send(None)  # type: ignore[attr-defined]  # a coroutine
    return stop.value.value


async def test_a_good_token_is_returned_without_a_suspension_point(source: TokenSource) -> None:
    """A usable token costs no trip through the event loop."""
    assert "at-1" == step(source.token())


async def test_a_late_401_gets_the_new_token_without_a_suspension_point(source: TokenSource) -> None:
    """A rejection of a token that has been replaced refreshes nothing."""
    await source.token(rejected="at-1")

    assert ("at-2", 1, 1) == (step(source.token(rejected="at-1")), source.stats.refreshes, source.stats.late_401s)


async def test_callers_share_one_refresh(source: TokenSource, pair: Control) -> None:
    """Any number of callers with the same dead token cost one refresh."""
    tokens = await asyncio.gather(*(source.token(rejected="at-1") for _ in range(500)))

    assert {"at-2"} == set(tokens)
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")
    assert 499 == source.stats.coalesced


async def test_an_expired_token_is_renewed_before_it_is_used(source: TokenSource, clock: FakeClock) -> None:
    """Past its life by the monotonic clock a token is not handed out."""
    clock.advance(3600)

    assert "at-2" == await source.token()


async def test_in_the_last_tenth_one_background_refresh_runs(make_source: MakeSource, pair: Control) -> None:
    """Before expiry callers go on with the old token while a single refresh runs."""
    refreshed = asyncio.Event()
    clock = FakeClock()
    source = make_source(clock=clock, on_refresh=lambda _: refreshed.set())
    await source.login("zs", PASSWORD)
    clock.advance(3600 - 59)

    assert ["at-1"] * 100 == [step(source.token()) for _ in range(100)]
    await refreshed.wait()
    assert ("at-2", 1) == (step(source.token()), source.stats.background)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_before_the_last_minute_of_an_hour_nothing_is_renewed(source: TokenSource, clock: FakeClock) -> None:
    """The background window is a tenth of the life, and a minute at most."""
    clock.advance(3600 - 61)

    assert ("at-1", 0) == (step(source.token()), source.stats.background)


async def test_a_cancelled_starter_takes_nobody_along(source: TokenSource, pair: Control) -> None:
    """The caller that began the refresh may be cancelled; the others get the token."""
    await pair.fault("refresh", Fault("hang_before"))
    starter = asyncio.create_task(source.token(rejected="at-1"))
    others = [asyncio.create_task(source.token(rejected="at-1")) for _ in range(10)]
    await pair.wait_for_hanging()

    starter.cancel()
    await pair.release()

    assert ["at-2"] * 10 == await asyncio.gather(*others)
    assert starter.cancelled()


async def test_a_cancelled_crowd_leaves_the_refresh_alone(source: TokenSource, pair: Control) -> None:
    """When every caller is gone the refresh still comes in, and serves the next."""
    await pair.fault("refresh", Fault("hang_before"))
    crowd = [asyncio.create_task(source.token(rejected="at-1")) for _ in range(5000)]
    await pair.wait_for_hanging()

    for caller in crowd:
        caller.cancel()
    await asyncio.wait(crowd)
    await pair.release()

    assert "at-2" == await source.token(rejected="at-1")
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_without_a_session_a_login_is_required(make_source: MakeSource) -> None:
    """A source that was never logged in says so."""
    with pytest.raises(LoginRequired) as error:
        await make_source().token()

    assert "no_session" == error.value.reason


async def test_logout_ends_the_session_here_and_there(source: TokenSource, pair: Control) -> None:
    """After a logout there is no token, and the auth service knows."""
    await source.logout()

    with pytest.raises(LoginRequired, match="logged_out"):
        await source.token()
    assert {"live_sessions": 0} == await pair.counts("live_sessions")
