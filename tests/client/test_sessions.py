"""Logging in and out, also while a refresh is under way; callbacks; event loops."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import aiohttp
import pytest

from client import (
    AuthRejected,
    AuthUnavailable,
    BearerAuth,
    ConfigurationError,
    InvalidCredentials,
    LoginRequired,
    MemoryStorage,
    RefreshUnavailable,
    StorageError,
    Tokens,
    TokenSource,
)
from tests.client.conftest import FakeClock, MakeSource
from tests.client.test_refresh import FailingStorage, stored
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control, running_pair

T = TypeVar("T")


async def late_answers(source: TokenSource) -> None:
    """Return when refreshes that a login or logout has superseded are over."""
    await asyncio.gather(*source._leaving, return_exceptions=True)


# Login


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


# Logout


async def test_a_logout_during_a_refresh_wins(make_source: MakeSource, pair: Control) -> None:
    """Those who wait learn of it at once; the late answer is neither stored nor left alive."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()

    await source.logout()

    with pytest.raises(LoginRequired, match="logged_out"):
        await caller
    await pair.release()
    await late_answers(source)
    assert {"live_sessions": 0, "logouts": 2} == await pair.counts("live_sessions", "logouts")
    assert 1 == source.stats.discarded
    assert (None, "logged_out") == (stored(storage, pair).tokens, stored(storage, pair).ended)


async def test_a_logout_in_another_process_wins_over_a_late_answer(make_source: MakeSource, pair: Control) -> None:
    """The storage says so: the answer is revoked instead of stored."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    await second.token()
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(first.token(rejected="at-1"))
    await pair.wait_for_hanging()
    await second.logout()
    await pair.release()

    with pytest.raises(LoginRequired, match="logged_out"):
        await caller
    assert (None, 1) == (stored(storage, pair).tokens, first.stats.discarded)


async def test_a_login_in_another_process_wins_over_a_late_answer(make_source: MakeSource, pair: Control) -> None:
    """The caller gets the other login's token; the late answer is revoked."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("old", PASSWORD)
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(first.token(rejected="at-1"))
    await pair.wait_for_hanging()
    await second.login("new", PASSWORD)
    await pair.release()

    assert second.current is not None
    assert second.current.access_token == await caller
    assert {"live_sessions": 1, "logouts": 1} == await pair.counts("live_sessions", "logouts")


async def test_a_logout_revokes_what_another_process_has_renewed(make_source: MakeSource, pair: Control) -> None:
    """The token in the storage, not the spent one in memory, is presented."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    await second.token()
    await first.token(rejected="at-1")
    await second.logout()

    assert {"live_sessions": 0, "reuses": 0} == await pair.counts("live_sessions", "reuses")


async def test_a_logout_everywhere_ends_all_sessions_of_the_user(make_source: MakeSource, pair: Control) -> None:
    """Those of others go on."""
    for user in ("zs", "zs", "other"):
        await make_source().login(user, PASSWORD)
    source = make_source()
    await source.login("zs", PASSWORD)
    await source.logout(everywhere=True)

    assert {"live_sessions": 1} == await pair.counts("live_sessions")


async def test_a_logout_without_the_service_ends_the_session_here(make_source: MakeSource, pair: Control) -> None:
    """The caller learns that the service could not be told; the tokens are gone all the same."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.fault("logout", Fault("status", status=503))
    with pytest.raises(AuthUnavailable, match="logout"):
        await source.logout()

    assert stored(storage, pair).tokens is None
    with pytest.raises(LoginRequired, match="logged_out"):
        await source.token()


async def test_a_logout_that_could_not_be_stored_says_so(make_source: MakeSource, pair: Control) -> None:
    """The service has been told; the dead tokens are removed as soon as the storage works again."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing |= {"save"}
    with pytest.raises(StorageError, match="could not be removed"):
        await source.logout()
    storage.failing.clear()
    with pytest.raises(LoginRequired, match="logged_out"):
        await source.token()

    assert stored(storage, pair).tokens is None
    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_logout_without_a_session_is_no_error(make_source: MakeSource, pair: Control) -> None:
    """Nobody is asked."""
    await make_source().logout()

    assert {"logouts": 0} == await pair.counts("logouts")


# Callbacks


async def test_on_refresh_is_called_once_for_each_refresh(make_source: MakeSource) -> None:
    """With the new tokens; however many callers waited."""
    seen: list[str] = []
    source = make_source(on_refresh=lambda tokens: seen.append(tokens.access_token))
    await source.login("zs", PASSWORD)
    for rejected in ("at-1", "at-2"):
        await asyncio.gather(*(source.token(rejected=rejected) for _ in range(20)))
    await source.aclose()

    assert ["at-2", "at-3"] == seen


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_on_login_required_is_called_once_for_each_end(
    make_source: MakeSource, pair: Control, asynchronous: bool
) -> None:
    """Not once for each caller, nor again until there was another session."""
    reasons: list[str] = []

    async def note(error: LoginRequired) -> None:
        await asyncio.sleep(0)
        reasons.append(error.reason)

    source = make_source(on_login_required=note if asynchronous else lambda error: reasons.append(error.reason))
    for _ in range(2):
        dead = (await source.login("zs", PASSWORD)).access_token
        await pair.end_sessions()
        for _ in range(3):
            tokens = [source.token(rejected=dead) for _ in range(5)]
            assert {"revoked"} == {
                str(error).split()[-1] for error in await asyncio.gather(*tokens, return_exceptions=True)
            }
    await source.aclose()

    assert ["revoked", "revoked"] == reasons


async def test_a_logout_is_no_reason_to_call_back(make_source: MakeSource) -> None:
    """Who logs out knows."""
    reasons: list[LoginRequired] = []
    source = make_source(on_login_required=reasons.append)
    await source.login("zs", PASSWORD)
    await source.logout()
    with pytest.raises(LoginRequired):
        await source.token()
    await source.aclose()

    assert [] == reasons


async def test_a_callback_may_call_back(make_source: MakeSource, pair: Control) -> None:
    """A new login from on_login_required, and a token from on_refresh, do not wait for themselves."""
    tokens: list[str] = []
    logged_in = asyncio.Event()

    async def log_in(_: LoginRequired) -> None:
        await source.login("zs", PASSWORD)
        logged_in.set()

    async def take(_: Tokens) -> None:
        tokens.append(await source.token())

    source = make_source(on_login_required=log_in, on_refresh=take)
    await source.login("zs", PASSWORD)
    await source.token(rejected="at-1")
    await pair.end_sessions()
    with pytest.raises(LoginRequired):
        await source.token(rejected="at-2")
    await asyncio.wait_for(logged_in.wait(), 10)

    assert (["at-2"], "at-3") == (tokens, await source.token())


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_callback_that_fails_harms_nobody(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    """It is logged and counted."""

    def fail(_: Tokens) -> None:
        raise ValueError("in the callback")

    async def fail_later(tokens: Tokens) -> None:
        fail(tokens)

    source = make_source(on_refresh=fail_later if asynchronous else fail)
    await source.login("zs", PASSWORD)

    assert "at-2" == await source.token(rejected="at-1")
    await source.aclose()
    assert (1, True) == (source.stats.callback_failures, "in the callback" in caplog.text)


async def test_a_slow_callback_holds_nobody_up(make_source: MakeSource) -> None:
    """Callers go on while it runs."""
    release = asyncio.Event()

    async def wait(_: Tokens) -> None:
        await release.wait()

    source = make_source(on_refresh=wait)
    await source.login("zs", PASSWORD)

    assert "at-2" == await source.token(rejected="at-1")
    assert "at-3" == await source.token(rejected="at-2")
    release.set()


# The background


async def test_a_background_refresh_that_fails_is_not_repeated_at_once(
    make_source: MakeSource, pair: Control, caplog: pytest.LogCaptureFixture
) -> None:
    """Callers go on with the old token, and the next attempt comes seconds later."""
    clock = FakeClock()
    refreshed = asyncio.Event()
    source = make_source(clock=clock, on_refresh=lambda _: refreshed.set())
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("body", body="{}"))
    clock.advance(3600 - 50)
    assert "at-1" == await source.token()
    await source.aclose()
    assert ["at-1"] * 20 == [await source.token() for _ in range(20)]

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")
    assert "going on with the old token" in caplog.text
    clock.advance(6)
    assert "at-1" == await source.token()
    await asyncio.wait_for(refreshed.wait(), 10)


async def test_callers_join_a_background_refresh_when_the_token_runs_out(
    make_source: MakeSource, pair: Control
) -> None:
    """No second refresh is begun for them."""
    clock = FakeClock()
    source = make_source(clock=clock)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_before"))
    clock.advance(3600 - 50)
    await source.token()
    await pair.wait_for_hanging()
    clock.advance(60)
    callers = [asyncio.create_task(source.token()) for _ in range(10)]
    await pair.release()

    assert ["at-2"] * 10 == await asyncio.gather(*callers)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


# Life and surroundings


async def test_closing_lets_a_refresh_come_in(make_source: MakeSource, pair: Control) -> None:
    """A program that ends while a background refresh runs does not lose its answer."""
    clock, storage = FakeClock(), MemoryStorage()
    source = make_source(storage, clock=clock)
    async with source:
        await source.login("zs", PASSWORD)
        clock.advance(3600 - 50)
        await source.token()

    assert "rt-2" == stored(storage, pair).refresh_token


async def test_closing_cuts_off_what_hangs(make_source: MakeSource, pair: Control) -> None:
    """After a few seconds; callers get a typed error, and the journal covers the answer."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    await source.aclose(grace_s=0.05)
    with pytest.raises(RefreshUnavailable, match="interrupted"):
        await caller
    await pair.release()

    await make_source(storage).token(rejected="at-1")
    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")


async def test_a_source_can_be_used_after_it_was_closed(source: TokenSource) -> None:
    """Closing forgets nothing."""
    await source.aclose()

    assert "at-2" == await source.token(rejected="at-1")


async def test_a_given_session_is_used_and_left_open(pair: Control, make_source: MakeSource) -> None:
    """Its middlewares are bypassed: a refresh that BearerAuth intercepted would wait for itself."""
    async with aiohttp.ClientSession() as plain:
        source = make_source(session=plain)
        plain._middlewares = [BearerAuth(source, origins=[pair.auth_url])]  # as a user would pass it to the constructor
        async with asyncio.timeout(10):
            await source.login("zs", PASSWORD)
            await source.token(rejected="at-1")
            await source.aclose()

        assert (False, "at-2") == (plain.closed, await source.token())


async def test_a_closed_session_is_a_typed_error(make_source: MakeSource) -> None:
    """What cannot be used makes a refresh unavailable, and is named."""
    plain = aiohttp.ClientSession()
    source = make_source(session=plain)
    await source.login("zs", PASSWORD)
    await plain.close()

    with pytest.raises(RefreshUnavailable):
        await source.token(rejected="at-1")


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_must_be_positive(timeout: float) -> None:
    """The value is named."""
    with pytest.raises(ConfigurationError, match="refresh_timeout_s must be positive"):
        TokenSource("https://auth.example", refresh_timeout_s=timeout)


def test_a_source_is_usable_under_a_new_event_loop() -> None:
    """A refresh that died with its loop does not block the next loop's callers, and costs no session."""
    storage = MemoryStorage()
    source: TokenSource | None = None

    async def die(pair: Control) -> None:
        nonlocal source
        source = TokenSource(pair.auth_url, storage=storage)
        await source.login("zs", PASSWORD)
        await pair.fault("refresh", Fault("hang_after"))
        waiting = asyncio.create_task(source.token(rejected="at-1"))
        await pair.wait_for_hanging()
        waiting.cancel()

    async def go_on(pair: Control) -> dict[str, object]:
        assert source is not None
        await pair.release()
        assert "at-3" == await source.token(rejected="at-1")
        return await pair.counts("reuses", "rotations")

    with ThreadPoolExecutor(1) as thread, asyncio.Runner() as fakes:
        started, stop = asyncio.Event(), asyncio.Event()
        pairs: list[Control] = []

        async def serve() -> None:
            async with running_pair() as pair:
                pairs.append(pair)
                started.set()
                await stop.wait()

        loop = fakes.get_loop()
        serving = thread.submit(fakes.run, serve())
        asyncio.run_coroutine_threadsafe(started.wait(), loop).result(10)

        async def under_its_own_loop(work: Callable[[Control], Awaitable[T]]) -> T:
            async with aiohttp.ClientSession() as http:
                return await work(replace(pairs[0], http=http))

        asyncio.run(under_its_own_loop(die))
        counts = asyncio.run(under_its_own_loop(go_on))
        loop.call_soon_threadsafe(stop.set)
        serving.result(10)

    assert {"reuses": 0, "rotations": 1} == counts
