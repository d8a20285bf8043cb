"""What one refresh does when an answer is lost or makes no sense."""

import asyncio
from dataclasses import replace

import pytest

from dualtoken.client import MemoryStorage, RefreshRejected, RefreshUnavailable, TokenSource
from tests.client.conftest import FakeClock, LetPass, MakeSource
from tests.client.failing_storage import stored
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control
from tests.deadline import HANGS_S


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


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
async def test_a_service_in_trouble_is_asked_again(source: TokenSource, pair: Control, status: int) -> None:
    """408, 425, 429 and 5xx are retried and log nobody out."""
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


@pytest.mark.parametrize("retry_after", ["0", "Thu, 01 Jan 2015 00:00:00 GMT"])
async def test_a_retry_after_that_asks_for_no_pause_is_no_hot_loop(
    make_source: MakeSource, pair: Control, retry_after: str
) -> None:
    """Zero seconds, or a date that has passed, leaves the pauses between attempts as they are."""
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    source = make_source(storage, refresh_timeout_s=1)
    await pair.fault("refresh", *[Fault("status", status=503, retry_after=retry_after)] * 100)
    with pytest.raises(RefreshUnavailable):
        await source.token(rejected="at-1")

    assert 4 >= (await pair.counts("refresh_calls"))["refresh_calls"]  # pauses of 0.1, 0.2 and 0.4 s at least


async def test_a_retry_after_beyond_the_deadline_fails_at_once(
    make_source: MakeSource, pair: Control, clock: FakeClock
) -> None:
    """Nobody waits for what cannot come in time; and the service is left alone as it asked."""
    source = make_source(refresh_timeout_s=45)
    await source.login("zs", PASSWORD)
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
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    hasty, patient = make_source(storage, refresh_timeout_s=0.9), make_source(storage)
    await pair.fault("refresh", *[Fault("hang_after")] * 9)
    with pytest.raises(RefreshUnavailable):
        await hasty.token(rejected="at-1")
    await pair.clear_faults()

    assert await patient.token(rejected="at-1")
    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")


async def test_a_deadline_that_passes_together_with_an_attempt_is_heard(
    source: TokenSource, pair: Control, let_pass: LetPass
) -> None:
    """An event loop that was held up finds both timers due at once: time is up all the same."""
    await pair.fault("refresh", *[Fault("hang_after")] * 9)
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging()
    let_pass(HANGS_S)
    with pytest.raises(RefreshUnavailable):
        await caller

    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_refresh_that_failed_is_repeated_with_its_key(
    make_source: MakeSource, pair: Control, let_pass: LetPass
) -> None:
    """The journalled key lives until an answer arrives, over any number of refreshes."""
    storage = MemoryStorage()
    first, second = make_source(storage), make_source(storage)
    await first.login("zs", PASSWORD)
    for _ in range(2):
        await unanswered(first, pair, let_pass)
    await second.token(rejected="at-1")

    state = await pair.state()
    assert (0, 1, 1) == (state["reuses"], state["rotations"], len(set(state["keys"])))
    assert (1, 1) == (first.stats.resumed, second.stats.resumed)


async def unanswered(source: TokenSource, pair: Control, let_pass: LetPass) -> None:
    """Let a refresh reach the service, and get no answer before its time is up."""
    hanging = (await pair.state())["hanging"]
    await pair.fault("refresh", Fault("hang_after"))
    caller = asyncio.create_task(source.token(rejected="at-1"))
    await pair.wait_for_hanging(hanging + 1)
    let_pass(HANGS_S)
    with pytest.raises(RefreshUnavailable):
        await caller


async def test_a_new_refresh_has_a_new_key(source: TokenSource, pair: Control) -> None:
    """Keys are random and used for one rotation."""
    await source.token(rejected="at-1")
    await source.token(rejected="at-2")

    keys = (await pair.state())["keys"]
    assert 2 == len(set(keys))
    assert {32} == {len(key) for key in keys}


async def test_another_process_takes_over_a_journalled_refresh(
    make_source: MakeSource, pair: Control, let_pass: LetPass
) -> None:
    """A process died with its answer on the way: the next sends the same request and gets the same successor."""
    storage = MemoryStorage()
    dead = make_source(storage)
    await dead.login("zs", PASSWORD)
    await unanswered(dead, pair, let_pass)
    heir = make_source(storage)
    assert "at-1" == await heir.token()
    await heir.token(rejected="at-1")

    assert {"reuses": 0, "rotations": 1} == await pair.counts("reuses", "rotations")
    assert (1, "rt-2") == (heir.stats.resumed, stored(storage, pair).refresh_token)


@pytest.mark.parametrize("key", ["", " ", "ключ", "two\r\nlines", "x" * 129])
async def test_a_journal_that_cannot_be_sent_is_written_anew(make_source: MakeSource, pair: Control, key: str) -> None:
    """A damaged file would fail each refresh, since the same key is sent until it is answered."""
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    await storage.save(f"{pair.auth_url}/", replace(stored(storage, pair), idempotency_key=key))

    assert "at-2" == await make_source(storage).token(rejected="at-1")
    assert [32] == [len(key) for key in (await pair.state())["keys"]]


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

    assert {(RefreshRejected, "refresh: missing or wrong: token_type")} == {
        (type(error), str(error)) for error in errors
    }
    assert 50 == len({id(error) for error in errors})


async def test_who_joins_a_refresh_that_is_nearly_over_gets_its_time_once(
    make_source: MakeSource, pair: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When less is left than an attempt may take, and time is up, it begins the next refresh instead of failing."""
    monkeypatch.setattr("dualtoken.client.refresh.renewal.ATTEMPTS_IN_DEADLINE", 1)  # nearly over from the beginning
    monkeypatch.setattr("dualtoken.client.refresh.persistence.LOCK_GRACE_S", HANGS_S)  # the lock is the one to say it
    storage = MemoryStorage()
    await make_source(storage).login("zs", PASSWORD)
    source = make_source(storage, refresh_timeout_s=0.1)
    async with storage.lock(f"{pair.auth_url}/", 60):
        first = asyncio.create_task(source.token(rejected="at-1"))
        late = [asyncio.create_task(source.token(rejected="at-1")) for _ in range(10)]
        await asyncio.sleep(0)
        source._timeout_s = HANGS_S
        with pytest.raises(RefreshUnavailable, match="another process"):
            await first

    assert {"at-2"} == set(await asyncio.gather(*late))
    assert {"refresh_calls": 1} == await pair.counts("refresh_calls")


async def test_a_pause_that_the_service_asked_for_ends_with_a_login(source: TokenSource, pair: Control) -> None:
    """Retry-After of a day locks nobody out for longer than a minute, and a new session not at all."""
    await pair.fault("refresh", Fault("status", status=503, retry_after="86400"))
    with pytest.raises(RefreshUnavailable):
        await source.token(rejected="at-1")
    await source.login("zs", PASSWORD)

    assert "at-3" == await source.token(rejected="at-2")


async def test_a_pause_that_the_service_asked_for_is_a_minute_at_most(
    source: TokenSource, pair: Control, clock: FakeClock
) -> None:
    """A day that one answer asked for, by mistake or malice, is not a day for everybody."""
    await pair.fault("refresh", Fault("status", status=503, retry_after="86400"))
    with pytest.raises(RefreshUnavailable):
        await source.token(rejected="at-1")
    clock.advance(61)

    assert "at-2" == await source.token(rejected="at-1")
