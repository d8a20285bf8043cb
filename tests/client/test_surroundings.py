"""The background refresh, closing, given sessions, event loops."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import aiohttp
import pytest

from client import (
    BearerAuth,
    ConfigurationError,
    MemoryStorage,
    RefreshUnavailable,
    TokenSource,
)
from tests.client.conftest import FakeClock, MakeSource
from tests.client.failing_storage import stored
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control, running_pair

T = TypeVar("T")


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
