import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from dualtoken.resource_service.errors import KeySetRefused, KeysUnavailable
from dualtoken.resource_service.keys.refresher import Keys
from dualtoken.resource_service.verification.jwk_set import KeySet, parse_jwk_set
from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key
from tests.resource_service.jwk_sets import jwk_set

FIRST = parse_jwk_set(jwk_set(Key().jwk))
EMPTY = parse_jwk_set(jwk_set())
SECOND = parse_jwk_set(jwk_set(Key("k2").jwk))


class Source:
    """Gives what a test puts into it."""

    name = "a test"
    local = True
    interval_s = 3600.0

    def __init__(self, *answers: KeySet | Exception) -> None:
        self.answers = list(answers)
        self.fetches = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.asked = asyncio.Event()

    async def fetch(self) -> KeySet:
        """Answer the next thing; the last one for ever."""
        self.fetches += 1
        self.asked.set()
        await self.may_answer.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextlib.asynccontextmanager
async def _watching(keys: Keys) -> AsyncIterator[None]:
    task = asyncio.create_task(keys.watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_unchanged_set_is_not_handed_over_again() -> None:
    """A verifier forgets its verified tokens with each set it gets: only a change is worth that."""
    used: list[KeySet] = []
    keys = Keys(Source(FIRST, parse_jwk_set(jwk_set(Key().jwk)), SECOND), used.append)
    for _ in range(4):
        await keys.load()

    assert [FIRST, SECOND] == used


async def test_the_last_good_set_survives_a_broken_source() -> None:
    """The problem is kept for whoever asks; the keys stay."""
    keys = Keys(Source(FIRST, KeySetRefused("broken")), lambda _: None)
    await keys.load()
    with pytest.raises(KeySetRefused):
        await keys.load()

    assert (FIRST, "broken") == (keys.current, keys.problem)


async def test_unusable_keys_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Once for each problem, not at each look: a foreign issuer's set may hold one for years."""
    good, odd = Key("good").jwk, {"kty": "oct", "kid": "odd", "k": "AA"}
    sets = [parse_jwk_set(jwk_set(good, *others)) for others in ([odd], [odd], [], [odd])]
    keys = Keys(Source(*sets), lambda _: None)
    told = []
    for _ in sets:
        caplog.clear()
        await keys.load()
        told.append(sum("keys.passed_over" in line and "'odd'" in line for line in caplog.messages))

    assert [1, 0, 0, 1] == told


async def test_an_emptied_set_replaces_the_last_good_one() -> None:
    """Its keys are retired; to keep them would be to honour them for ever."""
    used: list[KeySet] = []
    keys = Keys(Source(FIRST, EMPTY), used.append)
    await keys.load()
    await keys.load()

    assert [FIRST, EMPTY] == used
    assert (EMPTY, None) == (keys.current, keys.problem)


async def test_an_empty_set_is_nothing_to_start_with() -> None:
    """It is a mistake, and named as one."""
    keys = Keys(Source(EMPTY), lambda _: None)

    with pytest.raises(KeySetRefused, match="no key for"):
        await keys.load()


async def test_a_repaired_source_is_no_problem_any_more() -> None:
    """What was wrong is forgotten."""
    keys = Keys(Source(KeySetRefused("broken"), SECOND), lambda _: None)
    with pytest.raises(KeySetRefused):
        await keys.load()
    await keys.load()

    assert (SECOND, None) == (keys.current, keys.problem)


async def test_the_source_is_looked_at_again_and_again() -> None:
    """Each interval, a change is seen without anybody asking."""
    source, changed = Source(FIRST, KeySetRefused("broken"), SECOND), asyncio.Event()
    source.interval_s = 0.001
    async with _watching(Keys(source, lambda keys: changed.set() if keys is SECOND else None)):
        await asyncio.wait_for(changed.wait(), HANGS_S)

    assert 3 <= source.fetches


async def test_an_unexpected_failure_does_not_end_the_watch() -> None:
    """Whatever a source does, a later change is seen."""
    keys = Keys(Source(FIRST, RuntimeError("a bug"), SECOND), lambda _: None, demanded_gap_s=0)
    async with _watching(keys):
        for _ in range(3):
            await asyncio.wait_for(keys.newer(), HANGS_S)

    assert SECOND == keys.current


async def test_a_thousand_unknown_keys_share_one_reload() -> None:
    """However many requests ask at once, the source is asked once."""
    source = Source(FIRST)
    keys = Keys(source, lambda _: None)
    async with _watching(keys):
        await asyncio.wait_for(asyncio.gather(*(keys.newer() for _ in range(1000))), HANGS_S)

    assert 1 == source.fetches


async def test_a_reload_that_began_before_is_not_new_enough() -> None:
    """Who asks while a reload is under way gets the next one: the key may have come in between."""
    source = Source(FIRST, SECOND)
    keys = Keys(source, lambda _: None, demanded_gap_s=0)
    async with _watching(keys):
        source.may_answer.clear()
        early = asyncio.create_task(keys.newer())
        await source.asked.wait()
        late = asyncio.create_task(keys.newer())
        await asyncio.sleep(0)
        source.may_answer.set()
        await asyncio.wait_for(asyncio.gather(early, late), HANGS_S)

    assert (2, SECOND) == (source.fetches, keys.current)


async def test_reloads_on_demand_keep_their_distance() -> None:
    """A second demand waits until the gap is over, however impatient forgers are."""
    keys = Keys(Source(FIRST), lambda _: None, demanded_gap_s=0.2)
    loop = asyncio.get_running_loop()
    async with _watching(keys):
        before_both = loop.time()
        await keys.newer()
        await keys.newer()

        assert 0.2 <= loop.time() - before_both + 0.01


async def test_nobody_waits_for_a_watch_that_is_not_there() -> None:
    """Neither before it begins nor after it ends, and who waits when it ends is let go."""
    source = Source(FIRST)
    keys = Keys(source, lambda _: None)
    with pytest.raises(KeysUnavailable):
        await keys.newer()
    async with _watching(keys):
        source.may_answer.clear()
        waiting = asyncio.create_task(keys.newer())
        await source.asked.wait()
    await asyncio.wait_for(waiting, HANGS_S)
    with pytest.raises(KeysUnavailable):
        await keys.newer()


async def test_a_cancelled_caller_takes_nobody_along() -> None:
    """Others go on to wait for their reload."""
    source = Source(FIRST)
    keys = Keys(source, lambda _: None)
    async with _watching(keys):
        source.may_answer.clear()
        gone, patient = asyncio.create_task(keys.newer()), asyncio.create_task(keys.newer())
        await source.asked.wait()
        gone.cancel()
        source.may_answer.set()
        await asyncio.wait_for(patient, HANGS_S)

    assert (True, None) == (gone.cancelled(), patient.exception())
