"""When a token counts as expired, and what is stored of it."""

import asyncio

import pytest

from dualtoken.client import MemoryStorage, StoredSession, Tokens, TokenSource
from tests.client.conftest import FakeClock, MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


@pytest.mark.parametrize("expires_in", [None, 0, 0.01, 1, 3600])
async def test_a_burst_costs_one_refresh_whatever_the_life(
    make_source: MakeSource, pair: Control, expires_in: float | None
) -> None:
    """expires_in missing, zero, or shorter than any margin: one refresh, and no second one by its age at once."""
    await pair.set(expires_in=expires_in)
    source = make_source()
    await source.login("zs", PASSWORD)
    tokens = await asyncio.gather(*(source.token(rejected="at-1") for _ in range(100)))
    again = [await source.token() for _ in range(100)]

    assert {"at-2"} == {*tokens, *again}
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_the_round_trip_shortens_the_life(make_source: MakeSource, pair: Control, clock: FakeClock) -> None:
    """Expiry counts from when the refresh was sent."""
    source = make_source()
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    clock.advance(100)
    await pair.release()
    assert "at-2" == await caller

    clock.advance(3500)
    assert "at-3" == await source.token()


async def test_a_jumping_wall_clock_changes_nothing(make_source: MakeSource, pair: Control) -> None:
    """Expiry is counted on the monotonic clock."""
    wall = FakeClock()
    source = make_source(wall_clock=wall)
    await source.login("zs", PASSWORD)
    wall.advance(1_000_000)
    assert "at-1" == await source.token()
    wall.advance(-9_000_000)

    assert "at-1" == await source.token()
    assert {"refresh_calls": 0} == await pair.counts("refresh_calls")


async def test_a_refresh_does_not_forget_whose_session_it_is(source: TokenSource) -> None:
    """Only a login names the user; refreshed tokens keep the name."""
    await source.token(rejected="at-1")
    tokens: Tokens | None = source.current

    assert tokens is not None
    assert tokens.user is not None
    assert ("at-2", "zs") == (tokens.access_token, tokens.user.username)


async def test_tokens_are_stored_before_anybody_gets_them(make_source: MakeSource) -> None:
    """Persist, publish, resolve: while the write is under way neither memory nor a caller has the new token."""
    writing, written = asyncio.Event(), asyncio.Event()

    class SlowStorage(MemoryStorage):
        async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
            if session.idempotency_key is None:
                writing.set()
                await written.wait()
            return await super().swap(account, expected, session)

    source = make_source(SlowStorage())
    await source.login("zs", PASSWORD)
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await writing.wait()
    assert ("at-1", False) == (source.current and source.current.access_token, caller.done())
    written.set()

    assert "at-2" == await caller
