"""What a storage that fails costs: never the session."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress

import pytest

from dualtoken.client import (
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
from tests.deadline import HANGS_S


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
    async with asyncio.timeout(HANGS_S):
        while source.stats.save_failures < 2:  # the first is the refresh's own
            await storage.next_failure()
        storage.failing.clear()
        await storage.next_save()

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


async def test_a_lock_that_somebody_holds_too_long_is_typed(
    make_source: MakeSource, pair: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process that never lets go makes a refresh unavailable, no more."""
    monkeypatch.setattr("dualtoken.client.refresh.persistence.LOCK_GRACE_S", HANGS_S)  # the lock is the one to say it
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    hasty, patient = make_source(storage, refresh_timeout_s=0.2), make_source(storage)
    async with storage.lock(f"{pair.auth_url}/", 1):
        with pytest.raises(RefreshUnavailable, match="another process"):
            await hasty.token(rejected="at-1")

    assert "at-2" == await patient.token(rejected="at-1")


class Spilling(FailingStorage):
    """A back end of somebody else's: its errors are of its own kind, and quote what it was given."""

    async def _check(self, call: str) -> None:
        if call in self.failing:
            raise LookupError(f"{call}: at-1 rt-1 at-2 rt-2 {PASSWORD}")

    def lock(self, account: str, timeout_s: float) -> AbstractAsyncContextManager[None]:
        if "lock" in self.failing:
            raise LookupError(account)
        if "leave" in self.failing:
            return AsyncExitStackThatFails()
        return super().lock(account, timeout_s)


class AsyncExitStackThatFails(AsyncExitStack):
    """A lock whose holder cannot let go of it."""

    async def __aexit__(self, *_: object) -> bool:
        raise LookupError("lock")


CALLS = ["load", "save", "swap", "journal", "lock", "leave"]


@pytest.mark.parametrize("failing", [*([call] for call in CALLS), CALLS[:-1]], ids="-".join)
async def test_anything_that_a_back_end_raises_costs_no_session(
    make_source: MakeSource, pair: Control, failing: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A login succeeds, refreshes go on, a logout ends the session at the service; the log tells the kind alone."""
    storage = Spilling()
    source = make_source(storage)
    storage.failing |= set(failing)
    tokens = [(await source.login("zs", PASSWORD)).access_token]
    tokens += [await source.token(rejected=token) for token in ("at-1", "at-2")]
    with suppress(StorageError):
        await source.logout()

    assert ["at-1", "at-2", "at-3"] == tokens
    assert {"live_sessions": 0, "reuses": 0} == await pair.counts("live_sessions", "reuses")
    assert [] == [secret for secret in ("rt-1", "at-2", PASSWORD) if secret in caplog.text]
    assert "builtins.LookupError" in caplog.text


@pytest.mark.parametrize("failing", ["save", "load"])
async def test_a_logout_tells_what_the_storage_raised(make_source: MakeSource, pair: Control, failing: str) -> None:
    """As a StorageError, after the session has ended at the service."""
    storage = Spilling()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing |= {failing, "save"}
    with pytest.raises(StorageError, match="could not be removed"):
        await source.logout()

    assert {"live_sessions": 0} == await pair.counts("live_sessions")


async def test_a_logout_before_anything_could_be_read_says_so(make_source: MakeSource) -> None:
    """There may be a session at the service that it could not end."""
    storage = Spilling()
    await make_source(storage).login("zs", PASSWORD)
    storage.failing |= {"load"}
    with pytest.raises(StorageError, match=r"cannot be read: builtins\.LookupError$"):
        await make_source(storage).logout()


async def test_ending_a_session_does_not_wait_for_storing(make_source: MakeSource, pair: Control) -> None:
    """The service is told while the storage has not answered yet."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.holding = asyncio.Event()
    await pair.fault("logout", Fault("hang_before"))
    ending = asyncio.create_task(source.logout())
    await pair.wait_for_hanging()
    assert stored(storage, pair).tokens is not None
    storage.holding.set()
    await pair.release()
    await ending

    assert stored(storage, pair).tokens is None


async def test_a_storage_that_compares_otherwise_is_no_endless_loop(make_source: MakeSource) -> None:
    """A swap that never succeeds is a storage that fails, no more."""

    class Stubborn(MemoryStorage):
        async def swap(self, *_: object) -> bool:
            return False

    source = make_source(Stubborn())
    await source.login("zs", PASSWORD)

    assert "at-2" == await source.token(rejected="at-1")
    assert 1 == source.stats.save_failures


async def test_trouble_that_lasts_is_logged_once(make_source: MakeSource, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is read-only for days does not fill the log; every failure counts."""
    storage = FailingStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    storage.failing |= {"swap", "journal"}
    for number in range(1, 6):
        await source.token(rejected=f"at-{number}")

    assert 1 == caplog.text.count("could not be stored") == caplog.text.count("without being written down")
    assert (True, 5) == (source.stats.save_failures >= 5, source.stats.journal_failures)


async def test_without_a_lock_two_refreshers_send_one_request(make_source: MakeSource, pair: Control) -> None:
    """Who finds the other's journal sends the same request, and both get the same successor."""

    class Lockless(MemoryStorage):
        def lock(self, *_: object) -> AbstractAsyncContextManager[None]:
            raise OSError(95, "Operation not supported")

    storage = Lockless()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    await second.token()
    await asyncio.gather(*(source.token(rejected="at-1") for source in (first, second)))

    assert {"rotations": 1, "reuses": 0} == await pair.counts("rotations", "reuses")


async def test_no_secret_is_logged(
    make_source: MakeSource, pair: Control, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a token nor a password nor a key is in the log, at any level, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    storage = FailingStorage()
    source = make_source(storage, refresh_timeout_s=60)
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
