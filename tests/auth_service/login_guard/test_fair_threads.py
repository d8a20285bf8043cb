"""Whose turn it is when a thread is free."""

import asyncio
from functools import partial

import pytest

from dualtoken.auth_service.login_guard.fair_threads import FairThreads
from dualtoken.auth_service.login_guard.shares import Asker, Shares
from tests.auth_service.login_guard.test_lanes import Gate

ALICE = [Asker("alice", f"192.0.2.{n}") for n in range(4)]
NETWORK = [Asker(f"user {n}", "198.51.100.1") for n in range(4)]
SUSPECTS = [Asker(f"guess {n}", f"203.0.113.{n}", is_suspect=True) for n in range(4)]
BOB = Asker("bob", "192.0.2.99")


class Queue:
    """One thread, occupied until the gate opens, and the order in which others had their turns."""

    def __init__(self) -> None:
        self.gate, self.order = Gate(), list[Asker | None]()
        self._threads, self._shares = FairThreads(1, "test"), Shares(100)

    async def occupy(self) -> asyncio.Task[str]:
        """Return what occupies the thread."""
        occupying = asyncio.create_task(self._threads.run(partial(self.gate), self._shares.take(None)))
        await self.gate.begin(1)
        return occupying

    async def wait_in_line(self, asker: Asker | None) -> asyncio.Task[None]:
        """Return who waits for a turn."""
        work = partial(self.order.append, asker)
        waiting = asyncio.create_task(self._threads.run(work, self._shares.take(asker)))
        await asyncio.sleep(0)  # the task begins, and waits
        return waiting

    def close(self) -> None:
        """Stop the thread."""
        self._threads.close()


@pytest.mark.parametrize("crowd", [ALICE, NETWORK, SUSPECTS], ids=["a user", "a network", "suspects"])
async def test_nobody_waits_behind_a_crowd(crowd: list[Asker]) -> None:
    """A log-in that comes last is the next, and the crowd keeps its order; the team's backend is no crowd either."""
    queue = Queue()
    occupying = await queue.occupy()
    waiting = [await queue.wait_in_line(asker) for asker in (*crowd, BOB, None)]
    queue.gate.open.set()
    await asyncio.gather(occupying, *waiting)

    assert [BOB, None, *crowd] == queue.order


async def test_equals_come_in_the_order_of_their_arrival() -> None:
    """One each of many users and networks."""
    queue, many = Queue(), [Asker(f"user {n}", f"192.0.2.{n}") for n in range(5)]
    occupying = await queue.occupy()
    waiting = [await queue.wait_in_line(asker) for asker in many]
    queue.gate.open.set()
    await asyncio.gather(occupying, *waiting)

    assert many == queue.order


async def test_who_hangs_up_when_the_turn_comes_gives_it_to_the_next() -> None:
    """Before the turn, and in the very moment of it."""
    queue = Queue()
    occupying = await queue.occupy()
    early, late, stays = [await queue.wait_in_line(asker) for asker in ALICE[:3]]
    early.cancel()
    occupying.add_done_callback(lambda _: late.cancel())
    queue.gate.open.set()
    ends = await asyncio.gather(occupying, early, late, stays, return_exceptions=True)

    assert ["computed", None] == [ends[0], ends[-1]]
    assert ALICE[2] in queue.order


async def test_what_waits_at_the_end_is_dropped() -> None:
    """Nobody waits for threads that have stopped."""
    queue = Queue()
    occupying = await queue.occupy()
    waiting = await queue.wait_in_line(BOB)
    queue.close()
    queue.gate.open.set()
    await asyncio.wait([occupying, waiting])

    assert waiting.cancelled()
    assert [] == queue.order
