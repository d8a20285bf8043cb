"""What one refresh does when something goes wrong."""

import asyncio
import logging

import pytest

from client import (
    LoginRequired,
    MemoryStorage,
    RefreshRejected,
    RefreshUnavailable,
    StorageError,
    StoredSession,
    Tokens,
    TokenSource,
)
from tests.client.conftest import FakeClock, MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control


class FailingStorage(MemoryStorage):
    """A storage that can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.saves = 0

    def _check(self, call: str) -> None:
        if call in self.failing:
            raise OSError(28, "No space left on device")

    async def load(self, account: str) -> StoredSession | None:
        self._check("load")
        return await super().load(account)

    async def save(self, account: str, session: StoredSession) -> None:
        self._check("save")
        await super().save(account, session)

    async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
        self._check("journal" if session.idempotency_key else "swap")
        self.saves += 1
        return await super().swap(account, expected, session)


def stored(storage: MemoryStorage, pair: Control) -> StoredSession:
    """Return what is stored."""
    return storage._sessions[f"{pair.auth_url}/"]


# Lost answers


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "half"])
async def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    source: TokenSource, pair: Control, kind: str
) -> None:
    """A connection that breaks before, after or in the middle of the answer costs nothing."""
    await pair.fault("refresh", Fault(kind))  # type: ignore[arg-type]  # one of the kinds
    await source.token(rejected="at-1")

    state = await pair.state()
    assert (1, 0, 1) == (state["rotations"], state["reuses"], source.stats.retries)
    assert 1 == len(set(state["keys"]))


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_service_in_trouble_is_asked_again(source: TokenSource, pair: Control, status: int) -> None:
    """429 and 5xx are retried and log nobody out."""
    await pair.fault("refresh", Fault("status", status=status))

    assert "at-2" == await source.token(rejected="at-1")
    assert {"refresh_calls": 2, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_retry_after_is_honoured(source: TokenSource, pair: Control) -> None:
    """The next attempt comes no sooner than the service asks."""
    loop = asyncio.get_running_loop()
    await pair.fault("refresh", Fault("status", status=503, retry_after="1"))
    begun = loop.time()
    await source.token(rejected="at-1")

    assert loop.time() - begun >= 1


async def test_a_retry_after_beyond_the_deadline_fails_at_once(
    source: TokenSource, pair: Control, clock: FakeClock
) -> None:
    """Nobody waits for what cannot come in time; and the service is left alone as it asked."""
    await pair.fault("refresh", Fault("status", status=429, retry_after="50"))
    for _ in range(3):
        with pytest.raises(RefreshUnavailable) as error:
            await source.token(rejected="at-1")
        assert error.value.retry_after == pytest.approx(50, abs=1)
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")

    clock.advance(51)
    assert "at-2" == await source.token(rejected="at-1")


async def test_the_deadline_ends_a_refresh_that_hangs(make_source: MakeSource, pair: Control) -> None:
    """A service that never answers costs each caller the timeout, and the session nothing."""
    source = make_source(refresh_timeout_s=0.9)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", *[Fault("hang_after")] * 9)
    with pytest.raises(RefreshUnavailable):
        await source.token(rejected="at-1")
    await pair.clear_faults()

    assert await source.token(rejected="at-1")
    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")


async def test_a_refresh_that_failed_is_repeated_with_its_key(make_source: MakeSource, pair: Control) -> None:
    """The journalled key lives until an answer arrives, over any number of refreshes."""
    source = make_source(refresh_timeout_s=0.3)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", *[Fault("drop_after")] * 20)
    for _ in range(2):
        with pytest.raises(RefreshUnavailable):
            await source.token(rejected="at-1")
    await pair.clear_faults()
    await source.token(rejected="at-1")

    state = await pair.state()
    assert (0, 1, 1) == (state["reuses"], state["rotations"], len(set(state["keys"])))
    assert 2 == source.stats.resumed


async def test_a_new_refresh_has_a_new_key(source: TokenSource, pair: Control) -> None:
    """Keys are random and used for one rotation."""
    await source.token(rejected="at-1")
    await source.token(rejected="at-2")

    keys = (await pair.state())["keys"]
    assert 2 == len(set(keys))
    assert {32} == {len(key) for key in keys}


async def test_another_process_takes_over_a_journalled_refresh(make_source: MakeSource, pair: Control) -> None:
    """A process died with its answer on the way: the next sends the same request and gets the same successor."""
    storage = MemoryStorage()
    dead = make_source(storage, refresh_timeout_s=0.2)
    await dead.login("zs", PASSWORD)
    await pair.fault("refresh", *[Fault("drop_after")] * 20)
    with pytest.raises(RefreshUnavailable):
        await dead.token(rejected="at-1")
    await pair.clear_faults()
    heir = make_source(storage)
    assert "at-1" == await heir.token()
    await heir.token(rejected="at-1")

    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")
    assert (1, "rt-2") == (heir.stats.resumed, stored(storage, pair).refresh_token)


async def test_the_key_is_stored_before_the_request_leaves(make_source: MakeSource, pair: Control) -> None:
    """While the request is on its way the journal holds its key; when the answer is in, none."""
    storage = MemoryStorage()
    source = make_source(storage)
    await source.login("zs", PASSWORD)
    await pair.fault("refresh", Fault("hang_before"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    key = stored(storage, pair).idempotency_key
    await pair.release()
    await caller

    assert ([key], None) == ((await pair.state())["keys"], stored(storage, pair).idempotency_key)


# Answers that make no sense


NONSENSE = {
    "not JSON": Fault("body", body="<html>", content_type="text/html"),
    "not an object": Fault("body", body="[1]"),
    "half a document": Fault("body", body='{"access_token": "x'),
    "members missing": Fault("body", body='{"token_type": "Bearer", "access_token": "x"}'),
    "wrong types": Fault(
        "body", body='{"token_type": "Bearer", "access_token": 7, "refresh_token": "x", "expires_in": 1}'
    ),
    "an error inside a 200": Fault("body", body='{"error": "invalid_grant", "error_description": "no"}'),
    "tokens that are no JSON by name": Fault("body", body="{}", content_type="text/plain"),
    "another 400": Fault("body", status=400, body='{"error": "invalid_request"}'),
    "a 401": Fault("body", status=401, body='{"error": "invalid_grant"}'),
    "a 404": Fault("body", status=404, body="nothing here", content_type="text/plain"),
    "100 MB": Fault("huge"),
    "a redirect": Fault("redirect", body="/elsewhere"),
}


@pytest.mark.parametrize("fault", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_logs_nobody_out(source: TokenSource, pair: Control, fault: Fault) -> None:
    """A senseless answer is a typed error; the next try repeats the request and gets the successor that was lost."""
    await pair.fault("refresh", fault)
    with pytest.raises(RefreshRejected, match=r"^refresh: "):
        await source.token(rejected="at-1")

    assert await source.token(rejected="at-1") in {"at-2", "at-3"}
    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")


async def test_a_redirect_takes_no_token_along(source: TokenSource, pair: Control) -> None:
    """The auth service's redirects are not followed; the error says what to do."""
    await pair.fault("refresh", Fault("redirect", body=f"{pair.foreign_url}/public"))
    with pytest.raises(RefreshRejected, match="give its final address"):
        await source.token(rejected="at-1")

    assert {"foreign_seen": []} == await pair.counts("foreign_seen")


async def test_each_caller_gets_an_error_of_its_own(source: TokenSource, pair: Control) -> None:
    """One error shared by ten thousand tasks would collect ten thousand tracebacks."""
    await pair.fault("refresh", Fault("body", body="{}"))
    errors = await asyncio.gather(*(source.token(rejected="at-1") for _ in range(50)), return_exceptions=True)

    assert {(RefreshRejected, "refresh: missing or wrong: access_token, refresh_token, token_type")} == {
        (type(error), str(error)) for error in errors
    }
    assert 50 == len({id(error) for error in errors})


# The end of a session


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


# A storage that fails


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
    storage.failing.clear()
    await asyncio.wait_for(asyncio.gather(*source._saving), 10)

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
    source = make_source(storage, refresh_timeout_s=0.2)
    await source.login("zs", PASSWORD)
    async with storage.lock(f"{pair.auth_url}/", 1):
        with pytest.raises(RefreshUnavailable, match="another process"):
            await source.token(rejected="at-1")

    assert "at-2" == await source.token(rejected="at-1")


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


# The life of a token


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
