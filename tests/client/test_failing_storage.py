"""What a storage that fails costs: never the session."""

import asyncio
import logging

import pytest

from client import (
    LoginRequired,
    MemoryStorage,
    RefreshRejected,
    RefreshUnavailable,
    StorageError,
)
from tests.client.conftest import MakeSource
from tests.client.failing_storage import FailingStorage, stored
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


async def test_a_failed_save_keeps_the_token_and_is_loud(
    make_source: MakeSource, pair: Control, caplog: pytest.LogCaptureFixture
) -> None:
    """The refresh succeeds; the log and the counters say what is wrong; the save is tried again."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing.add("swap")

    assert "at-2" == await source.token(rejected="at-1")
    assert (1, True) == (source.stats.save_failures, "could not be stored" in caplog.text)
    storage.failing.clear()
    await source.aclose()
    assert "rt-2" == stored(storage, pair).refresh_token


async def test_a_failed_save_is_tried_again_by_itself(make_source: MakeSource, pair: Control) -> None:
    """Nobody has to call anything for the token to reach the storage."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing.add("swap")
    await source.token(rejected="at-1")
    async with asyncio.timeout(20):
        while source.stats.save_failures < 2:  # the first is the refresh's own
            await storage.next_failure()
        storage.failing.clear()
        await asyncio.gather(*source._saving)

    assert "rt-2" == stored(storage, pair).refresh_token


async def test_an_unsaved_token_is_not_taken_for_old(make_source: MakeSource, pair: Control) -> None:
    """What the storage holds is older than memory then, and must not be adopted."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing.add("swap")
    await source.token(rejected="at-1")
    await source.token(rejected="at-2")

    assert {"reuses": 0, "rotations": 2} == await pair.counts("reuses", "rotations")


async def test_a_failed_journal_write_does_not_stop_the_refresh(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    """It is as loud as a failed save."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing.add("journal")

    assert "at-2" == await source.token(rejected="at-1")
    assert (1, True) == (source.stats.journal_failures, "without being written down" in caplog.text)


async def test_a_storage_that_is_dead_leaves_the_session_alive(make_source: MakeSource, pair: Control) -> None:
    """Everything fails, and the tokens in memory go on for as long as the process does."""
    storage = FailingStorage()
    source = make_source(storage)
    storage.failing |= {"load", "save", "swap", "journal"}
    await source.login("zs", PASSWORD)

    assert "at-2" == await source.token(rejected="at-1")
    assert "at-3" == await source.token(rejected="at-2")
    assert {"reuses": 0} == await pair.counts("reuses")


async def test_a_storage_that_cannot_be_read_is_no_reason_to_log_in(make_source: MakeSource) -> None:
    """There may be a session: the error says what is wrong, and a storage that works again goes on with it."""
    storage = FailingStorage()
    required: list[LoginRequired] = []
    await make_source(storage).login("zs", PASSWORD)
    source = make_source(storage, on_login_required=required.append)
    storage.failing |= {"load"}
    with pytest.raises(StorageError, match=r"cannot be read: .*No space left"):
        await source.token()
    storage.failing.clear()

    assert ("at-1", []) == (await source.token(), required)


async def test_a_login_that_could_not_be_stored_wins_in_the_end(make_source: MakeSource, pair: Control) -> None:
    """The older session in the storage is not adopted over it when the storage works again."""
    storage = FailingStorage()
    await make_source(storage).login("old", PASSWORD)
    source = make_source(storage)
    storage.failing |= {"load", "save"}
    await source.login("zs", PASSWORD)
    storage.failing.clear()

    assert "at-3" == await source.token(rejected="at-2")
    assert "rt-3" == stored(storage, pair).refresh_token


async def test_a_lock_that_cannot_be_had_at_all_does_not_stop_the_refresh(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only folder: the refresh goes on without, and says so."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)

    def lock(*_: object) -> None:
        raise StorageError("read-only")

    monkeypatch.setattr(storage, "lock", lock)

    assert "at-2" == await source.token(rejected="at-1")
    assert "no lock can be had" in caplog.text


async def test_a_lock_that_somebody_holds_too_long_is_typed(make_source: MakeSource, pair: Control) -> None:
    """Another process that never lets go makes a refresh unavailable, no more."""
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    hasty, patient = make_source(storage, refresh_timeout_s=0.2), make_source(storage)
    async with storage.lock(f"{pair.auth_url}/", 1):
        with pytest.raises(RefreshUnavailable, match="another process"):
            await hasty.token(rejected="at-1")

    assert "at-2" == await patient.token(rejected="at-1")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a storage a moment, no more."""
    monkeypatch.setattr("client.persistence.LOAD_TIMEOUT_S", 0.1)
    monkeypatch.setattr("client.persistence.SAVE_TIMEOUT_S", 0.1)


@pytest.mark.usefixtures("impatient")
async def test_a_storage_that_stalls_holds_up_no_login(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture
) -> None:
    """After its time limit the tokens are kept in memory, as after a failure."""
    storage = FailingStorage()
    source = make_source(storage)
    storage.stalling.add("save")
    tokens = await asyncio.wait_for(source.login("zs", PASSWORD), 5)

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
        await asyncio.wait_for(source.logout(), 5)

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

    assert "at-2" == await asyncio.wait_for(caller, 5)


async def test_no_secret_is_logged(
    make_source: MakeSource, pair: Control, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a token nor a password nor a key is in the log, at any level, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    storage = FailingStorage()
    source = make_source(storage, refresh_timeout_s=2)
    await source.login("zs", PASSWORD)
    storage.failing |= {"swap", "journal"}
    await pair.fault("refresh", Fault("status", status=503), Fault("drop_after"), Fault("body", body="{}"))
    with pytest.raises(RefreshRejected):
        await source.token(rejected="at-1")
    await source.token(rejected="at-1")

    output = caplog.text + "".join(capsys.readouterr()) + repr([vars(record) for record in caplog.records])
    keys: list[str] = (await pair.state())["keys"]
    found = [secret for secret in (PASSWORD, "at-1", "at-2", "rt-1", "rt-2", *keys) if secret in output]
    assert [] == found
