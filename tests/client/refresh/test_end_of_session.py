"""What ends a session, and what another process may have done to it meanwhile."""

import asyncio

import pytest

from dualtoken.client import LoginRequired, MemoryStorage
from tests.client.conftest import MakeSource
from tests.client.failing_storage import stored
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


@pytest.mark.parametrize("reason", ["revoked", "expired"])
async def test_only_invalid_grant_ends_the_session(make_source: MakeSource, pair: Control, reason: str) -> None:
    """The reason is passed on, the storage says it too, and the service is not asked again."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.end_sessions(reason)
    for _ in range(3):
        with pytest.raises(LoginRequired) as error:
            await source.token(rejected="at-1")
        assert reason == error.value.reason

    assert (None, reason) == (stored(storage, pair).tokens, stored(storage, pair).ended)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_invalid_grant_yields_to_something_newer(make_source: MakeSource, pair: Control) -> None:
    """Somebody logged in anew while the old session was refused: nobody is logged out."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    await pair.end_sessions()
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(first.token(rejected="at-1"))
    await pair.wait_for_hanging()
    await second.login("zs", PASSWORD)
    await pair.release()

    assert "at-2" == await caller


async def test_tokens_of_another_process_are_adopted(make_source: MakeSource, pair: Control) -> None:
    """Who finds a newer token in the storage uses it, and asks nobody."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    assert "at-1" == await second.token()
    await first.token(rejected="at-1")

    assert ("at-2", 0) == (await second.token(rejected="at-1"), second.stats.refreshes)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_two_sources_take_turns(make_source: MakeSource, pair: Control) -> None:
    """At one expiry of a shared session one of them refreshes and the other adopts."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    await second.token()

    tokens = await asyncio.gather(*(source.token(rejected="at-1") for source in [first, second] * 20))

    assert {"at-2"} == set(tokens)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_logout_elsewhere_is_a_logout_here(make_source: MakeSource) -> None:
    """The storage says that the session is over: no question to the service needed."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    await second.token()
    await first.logout()

    with pytest.raises(LoginRequired, match="logged_out"):
        await second.token(rejected="at-1")


async def test_a_login_elsewhere_ends_the_waiting(make_source: MakeSource) -> None:
    """After a logout this process finds the login of another one by itself."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    with pytest.raises(LoginRequired):
        await first.token()
    await second.login("zs", PASSWORD)

    assert "at-1" == await first.token()


async def test_a_removed_token_file_is_no_logout(make_source: MakeSource, pair: Control) -> None:
    """The tokens in memory are stored again at the next refresh."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage._sessions.clear()

    assert "at-2" == await source.token(rejected="at-1")
    assert "rt-2" == stored(storage, pair).refresh_token


async def test_a_token_file_removed_during_the_refresh_is_no_logout(make_source: MakeSource, pair: Control) -> None:
    """The same while the request is on its way."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    storage._sessions.clear()
    await pair.release()

    assert ("at-2", "rt-2") == (await caller, stored(storage, pair).refresh_token)
