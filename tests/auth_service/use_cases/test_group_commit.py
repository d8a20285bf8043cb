import asyncio
from collections.abc import Sequence

import pytest

from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.use_cases.group_commit import GroupCommit
from tests.deadline import HANGS_S


class Transactions:
    """Stands where the database stands: records each batch, and commits when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Semaphore(0)
        self.may_commit = asyncio.Semaphore(0)
        self.failing: dict[int, Exception] = {}

    async def apply(self, batch: Sequence[int]) -> list[int]:
        """Return ten times each item."""
        self.batches.append(list(batch))
        number = len(self.batches) - 1
        self.begun.release()
        await self.may_commit.acquire()
        if number in self.failing:
            raise self.failing[number]
        return [item * 10 for item in batch]


@pytest.fixture
def transactions() -> Transactions:
    """No batch yet, none may commit."""
    return Transactions()


async def submit(commit: GroupCommit[int, int], *items: int) -> list[asyncio.Future[int]]:
    """Submit items, in this order."""
    tasks = [commit.submit(item) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_alone_a_call_is_on_its_way_at_once(transactions: Transactions) -> None:
    """An idle service adds no waiting: the first call begins the first transaction."""
    commit = GroupCommit(transactions.apply)
    transactions.may_commit.release()

    assert 10 == await commit.submit(1)
    assert [[1]] == transactions.batches


async def test_what_arrives_during_a_transaction_shares_the_next(transactions: Transactions) -> None:
    """Calls that arrive while one transaction is in flight become one further transaction, in their order."""
    commit = GroupCommit(transactions.apply)
    first = await submit(commit, 1)
    await transactions.begun.acquire()
    others = await submit(commit, 2, 3, 4)
    for _ in range(2):
        transactions.may_commit.release()

    assert [10, 20, 30, 40] == await asyncio.gather(*first, *others)
    assert [[1], [2, 3, 4]] == transactions.batches


async def test_who_was_answered_comes_back_in_time(transactions: Transactions) -> None:
    """The next transaction waits for what the answers of the last one set going in the event loop."""
    commit = GroupCommit(transactions.apply, gather_s=HANGS_S)

    async def again() -> list[int]:
        answer = await commit.submit(1)
        await asyncio.sleep(0)
        return [answer, await commit.submit(4)]

    coming_back = asyncio.create_task(again())
    await transactions.begun.acquire()
    others = await submit(commit, 2, 3)
    for _ in range(3):
        transactions.may_commit.release()

    assert [[10, 40], 20, 30] == await asyncio.gather(coming_back, *others)
    assert [[1], [2, 3, 4]] == transactions.batches


async def _batches_while_calls_keep_coming(transactions: Transactions, commit: GroupCommit[int, int]) -> list[int]:
    """Submit a call in each turn of the event loop; return the sizes of the second and the third batch."""
    tasks: list[asyncio.Future[int]] = []

    async def keep_coming() -> None:
        while True:
            tasks.append(commit.submit(len(tasks)))
            await asyncio.sleep(0)

    feeder = asyncio.create_task(keep_coming())
    for _ in range(3):
        await asyncio.wait_for(transactions.begun.acquire(), HANGS_S)
        transactions.may_commit.release()
    feeder.cancel()
    for _ in tasks:
        transactions.may_commit.release()
    await asyncio.gather(*tasks)
    return [len(batch) for batch in transactions.batches[1:3]]


async def test_what_keeps_coming_delays_nobody_for_ever(transactions: Transactions) -> None:
    """A full batch is on its way, though each turn of the event loop brings another call."""
    commit = GroupCommit(transactions.apply, max_batch=4, gather_s=HANGS_S)

    assert [4, 4] == await _batches_while_calls_keep_coming(transactions, commit)


async def test_long_turns_delay_nobody_for_ever(transactions: Transactions) -> None:
    """When the time to gather is over, the batch goes as it is."""
    commit = GroupCommit(transactions.apply, max_batch=1000, gather_s=0)

    assert 1000 > max(await _batches_while_calls_keep_coming(transactions, commit))


async def test_a_batch_is_bounded(transactions: Transactions) -> None:
    """No transaction carries more than max_batch."""
    commit = GroupCommit(transactions.apply, max_batch=2)
    tasks = await submit(commit, 1, 2, 3, 4, 5)
    for _ in range(3):
        transactions.may_commit.release()
    await asyncio.gather(*tasks)

    assert [[1, 2], [3, 4], [5]] == transactions.batches


async def test_a_queue_is_bounded(transactions: Transactions) -> None:
    """Above max_waiting a call is refused at once; what waits is not disturbed."""
    commit = GroupCommit(transactions.apply, max_waiting=2)
    first = await submit(commit, 1)
    await transactions.begun.acquire()
    waiting = await submit(commit, 2, 3)

    with pytest.raises(Unavailable):
        await commit.submit(4)
    for _ in range(2):
        transactions.may_commit.release()
    assert [10, 20, 30] == await asyncio.gather(*first, *waiting)


async def test_a_failed_transaction_fails_its_own_callers_only(transactions: Transactions) -> None:
    """Each caller of a failed transaction gets an exception of its own; the next transaction goes on."""
    commit = GroupCommit(transactions.apply)
    transactions.failing[1] = RuntimeError("disk full")
    first = await submit(commit, 1)
    await transactions.begun.acquire()
    doomed = await submit(commit, 2, 3)
    transactions.may_commit.release()
    await transactions.begun.acquire()
    last = await submit(commit, 4)
    for _ in range(2):
        transactions.may_commit.release()

    errors = await asyncio.gather(*doomed, return_exceptions=True)

    assert [Unavailable, Unavailable] == [type(error) for error in errors]
    assert errors[0] is not errors[1]
    assert [10, 40] == await asyncio.gather(*first, *last)


async def test_an_unavailable_database_says_so_to_each(transactions: Transactions) -> None:
    """Unavailable reaches the callers as it is, with its text for the log."""
    transactions.failing[0] = Unavailable("no route to host")
    transactions.may_commit.release()

    with pytest.raises(Unavailable, match="no route to host"):
        await GroupCommit(transactions.apply).submit(1)


async def test_a_wrong_number_of_results_is_a_failure() -> None:
    """Results that cannot be matched to their callers are given to none."""

    async def short(_batch: Sequence[int]) -> list[int]:
        return []

    with pytest.raises(Unavailable):
        await GroupCommit(short).submit(1)


async def test_a_cancelled_caller_takes_nothing_with_it(transactions: Transactions) -> None:
    """A caller that is cancelled, in flight or waiting, leaves every other one its result."""
    commit = GroupCommit(transactions.apply)
    in_flight = await submit(commit, 1, 2)
    await transactions.begun.acquire()
    waiting = await submit(commit, 3, 4)
    in_flight[0].cancel()
    waiting[0].cancel()
    for _ in range(2):
        transactions.may_commit.release()

    assert [20, 40] == await asyncio.gather(in_flight[1], waiting[1])
    assert [[1, 2], [3, 4]] == transactions.batches


async def test_drain_waits_for_all_that_was_submitted(transactions: Transactions) -> None:
    """When drain returns, nothing is in flight and nothing waits."""
    commit = GroupCommit(transactions.apply)
    first = await submit(commit, 1)
    await transactions.begun.acquire()
    second = await submit(commit, 2)
    draining = asyncio.create_task(commit.drain(60))
    transactions.may_commit.release()
    await transactions.begun.acquire()
    assert not draining.done()
    transactions.may_commit.release()
    await draining

    assert [[1], [2]] == transactions.batches
    assert [10, 20] == [task.result() for task in (*first, *second)]


async def test_drain_that_takes_too_long_waits_for_the_transaction_in_flight_alone(transactions: Transactions) -> None:
    """After its time, what waits fails, what comes is refused, and what is in flight is committed."""
    commit = GroupCommit(transactions.apply, max_batch=1)
    first = await submit(commit, 1)
    await transactions.begun.acquire()
    waiting = await submit(commit, 2, 3)
    draining = asyncio.create_task(commit.drain(0))
    errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert not draining.done()
    with pytest.raises(Unavailable):
        await commit.submit(4)
    transactions.may_commit.release()
    await draining

    assert [Unavailable, Unavailable] == [type(error) for error in errors]
    assert [10] == await asyncio.gather(*first)
    assert [[1]] == transactions.batches


async def test_drain_of_an_idle_queue_returns() -> None:
    """Nothing to wait for, no waiting."""
    commit: GroupCommit[int, int] = GroupCommit(Transactions().apply)

    await asyncio.wait_for(commit.drain(600), HANGS_S)


async def test_every_committed_batch_is_reported(transactions: Transactions) -> None:
    """on_batch hears the size of each transaction that was committed, and of no other."""
    sizes: list[int] = []
    commit = GroupCommit(transactions.apply, max_batch=2, on_batch=sizes.append)
    transactions.failing[0] = RuntimeError()
    tasks = await submit(commit, 1, 2, 3)
    for _ in range(2):
        transactions.may_commit.release()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert [1] == sizes


async def test_a_queue_serves_again_after_it_was_idle(transactions: Transactions) -> None:
    """Between bursts the worker is gone; the next call brings another."""
    commit = GroupCommit(transactions.apply)
    for _ in range(2):
        transactions.may_commit.release()

    assert [10, 20] == [await commit.submit(1), await commit.submit(2)]
