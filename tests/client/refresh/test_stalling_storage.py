"""What a storage that does not answer costs: its time limit, once, and never the session."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from dualtoken.client import (
    RefreshUnavailable,
    StorageError,
)
from dualtoken.client.refresh.request import ATTEMPTS_IN_DEADLINE
from dualtoken.client.storage.boundary import Stalled, guarded
from tests.client.conftest import MakeSource
from tests.client.failing_storage import FailingStorage
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S

T = TypeVar("T")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a storage a moment, no more."""
    monkeypatch.setattr("dualtoken.client.refresh.persistence.CALL_TIMEOUT_S", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_a_storage_that_stalls_holds_up_no_login(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    """After its time limit the tokens are kept in memory, as after a failure."""
    storage = FailingStorage()
    source = make_source(storage)
    storage.stalling.add("save")
    tokens = await asyncio.wait_for(source.login("zs", PASSWORD), HANGS_S)

    assert ("at-1", 1) == (tokens.access_token, source.stats.save_failures)
    assert "could not be stored: no answer in time" in caplog.text


@pytest.mark.usefixtures("impatient")
async def test_a_storage_that_stalls_holds_up_no_logout(make_source: MakeSource, pair: Control) -> None:
    """The session has ended, here and at the auth service; the error says what is left."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.stalling |= {"load", "save"}
    with pytest.raises(StorageError, match="could not be removed"):
        await asyncio.wait_for(source.logout(), HANGS_S)

    assert {"live_sessions": 0} == await pair.counts("live_sessions")


@pytest.mark.usefixtures("impatient")
async def test_a_storage_that_stalls_after_a_refresh_costs_no_token(make_source: MakeSource, pair: Control) -> None:
    """Somebody else has written meanwhile, and what it was cannot be read in time: the new tokens go on in memory."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    await make_source(storage).login("other", PASSWORD)
    storage.stalling.add("load")
    await pair.release()

    assert "at-2" == await asyncio.wait_for(caller, HANGS_S)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give up at once each call that stalls; return for how many seconds each would have been waited for."""
    waited: list[float] = []

    async def given_up(timeout_s: float, call: Callable[..., Awaitable[T]], *arguments: object) -> T:
        try:
            return await guarded(0.0, call, *arguments)
        except Stalled:
            waited.append(timeout_s)
            raise

    monkeypatch.setattr("dualtoken.client.refresh.persistence.guarded", given_up)
    return waited


@pytest.mark.parametrize("stalling", [["load"], ["journal"], ["swap"], ["load", "journal", "swap"]], ids="-".join)
async def test_a_storage_that_answers_nothing_any_more_stops_no_refresh(
    make_source: MakeSource, waited: list[float], stalling: list[str]
) -> None:
    """A disk in the network that is gone: all waiting for it leaves the time of an attempt to ask the auth service."""
    storage = FailingStorage()
    timeout_s = 3.0  # so short that a call gets a share of it, and not what it gets at most
    source = make_source(storage, refresh_timeout_s=timeout_s)
    source._timeout_s = HANGS_S
    await source.login("zs", PASSWORD)
    storage.stalling |= set(stalling)

    for number in (1, 2):
        waited.clear()
        assert f"at-{number + 1}" == await source.token(rejected=f"at-{number}")
        assert 0 < sum(waited) <= timeout_s - timeout_s / ATTEMPTS_IN_DEADLINE


async def test_a_lock_that_answers_nothing_is_waited_for_once(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps no time limit of its own; the next refresh goes on without it."""
    storage = FailingStorage()
    await make_source(storage).login("zs", PASSWORD)
    source = make_source(storage, refresh_timeout_s=0.5)
    storage.stalling.add("lock")
    with pytest.raises(RefreshUnavailable):
        await source.token(rejected="at-1")

    source._timeout_s = HANGS_S
    monkeypatch.setattr("dualtoken.client.refresh.persistence.STALLED_SHARE", 0.001)
    assert "at-2" == await source.token(rejected="at-1")
