"""The background refresh, closing, given sessions, event loops."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import aiohttp
import pytest

from dualtoken.client import (
    AuthUnavailable,
    BearerAuth,
    ConfigurationError,
    MemoryStorage,
    RefreshUnavailable,
    TokenSource,
)
from tests.client.conftest import FakeClock, LetPass, MakeSource
from tests.client.failing_storage import stored
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control, running_pair
from tests.deadline import HANGS_S

T = TypeVar("T")


@pytest.fixture
def pair_in_a_thread() -> Iterator[Control]:
    """Run the fakes under an event loop of their own."""
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
        asyncio.run_coroutine_threadsafe(started.wait(), loop).result(HANGS_S)
        yield pairs[0]
        loop.call_soon_threadsafe(stop.set)
        serving.result(HANGS_S)


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
    await source.aclose(grace_s=HANGS_S)
    assert ["at-1"] * 20 == [await source.token() for _ in range(20)]

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")
    assert "going on with the old token" in caplog.text
    clock.advance(6)
    async with source:
        assert "at-1" == await source.token()
        await asyncio.wait_for(refreshed.wait(), HANGS_S)


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


async def test_closing_lets_a_refresh_come_in(
    make_source: MakeSource, pair: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that ends while a background refresh runs does not lose its answer."""
    monkeypatch.setattr("dualtoken.client.source.CLOSE_GRACE_S", HANGS_S)
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
        async with asyncio.timeout(HANGS_S):
            await source.login("zs", PASSWORD)
            await source.token(rejected="at-1")
            await source.aclose()

        assert (False, "at-2") == (plain.closed, await source.token())


async def test_a_closed_session_is_a_typed_error(make_source: MakeSource, let_pass: LetPass) -> None:
    """What cannot be used makes each call unavailable, and is named."""
    plain = aiohttp.ClientSession()
    source = make_source(session=plain)
    await source.login("zs", PASSWORD)
    await plain.close()

    caller = asyncio.create_task(source.token(rejected="at-1"))
    while not source.stats.retries:  # noqa: ASYNC110 - a counter tells nobody that it counts
        await asyncio.sleep(0)
    let_pass(HANGS_S)
    with pytest.raises(RefreshUnavailable, match="Session is closed"):
        await caller
    with pytest.raises(AuthUnavailable, match="Session is closed"):
        await source.login("zs", PASSWORD)
    with pytest.raises(AuthUnavailable, match="Session is closed"):
        await source.logout()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_must_be_positive(timeout: float) -> None:
    """And end: the value is named."""
    with pytest.raises(ConfigurationError, match=f"refresh_timeout_s must be positive and finite, not {timeout}"):
        TokenSource("https://auth.example", refresh_timeout_s=timeout)


def test_a_source_is_usable_under_a_new_event_loop(pair_in_a_thread: Control) -> None:
    """A refresh that died with its loop does not block the next loop's callers, and costs no session."""
    storage = MemoryStorage()
    source: TokenSource | None = None

    async def die(pair: Control) -> None:
        nonlocal source
        source = TokenSource(pair.auth_url, storage=storage, refresh_timeout_s=HANGS_S)
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

    async def under_its_own_loop(work: Callable[[Control], Awaitable[T]]) -> T:
        async with aiohttp.ClientSession() as http:
            return await work(replace(pair_in_a_thread, http=http))

    asyncio.run(under_its_own_loop(die))
    counts = asyncio.run(under_its_own_loop(go_on))

    assert {"reuses": 0, "rotations": 1} == counts


def test_a_second_thread_is_told_the_cure(pair_in_a_thread: Control) -> None:
    """While the first one's event loop is open; the first caller does not notice."""
    source = TokenSource(pair_in_a_thread.auth_url)

    async def elsewhere(call: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(RuntimeError, match=r"run_coroutine_threadsafe\(\)"):
            await call()

    async def first() -> str:
        await source.login("zs", PASSWORD)
        waiting = asyncio.create_task(source.token(rejected="at-1"))
        calls = (source.token, source.logout, source.aclose, lambda: source.token(rejected="at-1"))
        for call in (*calls, lambda: source.login("zs", PASSWORD)):
            await asyncio.to_thread(asyncio.run, elsewhere(call))
        return await waiting

    assert "at-2" == asyncio.run(first())


def test_a_second_loop_may_follow_when_the_source_was_closed(pair_in_a_thread: Control) -> None:
    """Though the first loop is still open."""
    source = TokenSource(pair_in_a_thread.auth_url)

    async def use() -> str:
        async with source:
            if source.current is None:
                await source.login("zs", PASSWORD)
            return await source.token(rejected=await source.token())

    with asyncio.Runner() as one, asyncio.Runner() as two:
        assert ["at-2", "at-3"] == [one.run(use()), two.run(use())]


async def test_nothing_is_refreshed_in_the_background_after_closing(make_source: MakeSource, pair: Control) -> None:
    """There is nobody to wait for it; the token is good, and the next start renews it."""
    clock = FakeClock()
    source = make_source(clock=clock)
    await source.login("zs", PASSWORD)
    clock.advance(3600 - 50)
    await source.aclose()

    assert "at-1" == await source.token()
    assert ({"refresh_calls": 0}, 0) == (await pair.counts("refresh_calls"), source.stats.background)
