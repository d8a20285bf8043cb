import asyncio

import pytest

from dualtoken.auth_service.errors import Unavailable
from dualtoken_serving.coalesced_call import CoalescedCall


class Source:
    """Answers when it may, and counts how often it was asked."""

    def __init__(self) -> None:
        self.now = 100_000
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.problem: Exception | None = None
        self.shared = CoalescedCall(self.ask, clock=lambda: self.now)

    async def ask(self) -> int:
        """Return how often it was asked."""
        self.asked += 1
        await self.may_answer.wait()
        if self.problem is not None:
            raise self.problem
        return self.asked


async def test_all_who_ask_at_once_share_one_answer() -> None:
    """Fifty callers are one question, however long the answer takes."""
    source = Source()
    source.may_answer.clear()
    callers = [asyncio.create_task(source.shared()) for _ in range(50)]
    await asyncio.sleep(0)
    source.now += 10_000
    callers.append(asyncio.create_task(source.shared()))
    await asyncio.sleep(0)
    source.may_answer.set()

    assert [1] * 51 == await asyncio.gather(*callers)


async def test_an_answer_counts_for_a_second() -> None:
    """Then the next caller asks anew, and where the clock was set back."""
    source = Source()
    answers = []
    for passed in (0, 999, 1, -5000):
        source.now += passed
        answers.append(await source.shared())

    assert [1, 1, 2, 3] == answers


async def test_a_failure_is_an_answer() -> None:
    """While the database is away, it is not asked more often."""
    source = Source()
    source.problem = Unavailable("away")
    for _ in range(3):
        with pytest.raises(Unavailable):
            await source.shared()

    assert 1 == source.asked
    source.problem = None
    source.now += 1000
    assert 2 == await source.shared()


async def test_who_hangs_up_takes_the_answer_from_nobody() -> None:
    """The first caller goes away; the second gets the answer to the same question."""
    source = Source()
    source.may_answer.clear()
    first, second = (asyncio.create_task(source.shared()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    source.may_answer.set()

    assert 1 == await second
    assert first.cancelled()
