"""Logging out, also while a refresh is under way, here or in another process."""

import asyncio

import pytest

from dualtoken.client import AuthUnavailable, LoginRequired, MemoryStorage, StorageError
from tests.client.conftest import MakeSource
from tests.client.failing_storage import FailingStorage, stored
from tests.client.superseded import late_answers
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


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
