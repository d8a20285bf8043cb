"""Which thread computes, and for how long anybody waits."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from dualtoken.auth_service.errors import Busy
from dualtoken.auth_service.login_guard.lanes import Lanes
from tests.deadline import HANGS_S

LONG_S = 600.0  # longer than any test waits
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a niceness belongs to the whole process")


class Gate:
    """Work that computes until the gate is open, and remembers the niceness of the threads that began it."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.began: list[int] = []
        self._beginning = threading.Semaphore(0)

    async def begin(self, times: int) -> None:
        """Return when the work has begun so many times more."""
        for _ in range(times):
            assert await asyncio.to_thread(self._beginning.acquire, timeout=HANGS_S)

    def __call__(self) -> str:
        """Wait."""
        self.began.append(niceness())
        self._beginning.release()
        assert self.open.wait(HANGS_S)
        return "computed"


def niceness() -> int:
    """Return that of the thread which asks."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is open at the end, whatever happens."""
    gate = Gate()
    yield gate
    gate.open.set()


@LINUX
async def test_what_comes_alone_is_computed_promptly_and_the_rest_gives_way(gate: Gate) -> None:
    """One log-in at a time has the usual priority; of several, the others have the lowest: renewals come first."""
    lanes, own = Lanes(1, patience_s=LONG_S, deadline_s=LONG_S), niceness()
    callers = [asyncio.create_task(lanes.run(partial(gate))) for _ in range(2)]
    await gate.begin(2)
    gate.open.set()

    assert ["computed"] * 2 == await asyncio.gather(*callers)
    assert [own, 19] == sorted(gate.began)
    assert own == niceness()


@LINUX
async def test_what_starves_is_computed_once_more(gate: Gate) -> None:
    """A thread of low priority that gets no processor time keeps nobody waiting: the prompt thread computes as well."""
    lanes, own = Lanes(1, patience_s=0.05, deadline_s=LONG_S), niceness()
    first = partial(lanes.run, partial(str, "first"))
    starving = Gate()
    stuck = asyncio.create_task(lanes.run(partial(gate)))
    await gate.begin(1)
    patient = asyncio.create_task(lanes.run(partial(starving)))
    await starving.begin(1)
    gate.open.set()
    assert "computed" == await stuck
    await starving.begin(1)
    starving.open.set()

    assert "computed" == await patient
    assert [own, 19] == sorted(starving.began)
    assert "first" == await first()


@pytest.mark.parametrize("others", [0, 3])
async def test_nobody_waits_beyond_the_deadline(gate: Gate, others: int) -> None:
    """Whether the computation hangs or waits behind others that do: the caller is told to come back."""
    lanes = Lanes(1, patience_s=0.01, deadline_s=0.05)
    outcomes = await asyncio.gather(*(lanes.run(partial(gate)) for _ in range(1 + others)), return_exceptions=True)

    assert [Busy] * (1 + others) == [type(outcome) for outcome in outcomes]


async def test_the_queue_is_bounded_and_counts_those_who_hung_up(gate: Gate) -> None:
    """Seventeen per core run or wait; the next is refused, even when a caller of a running one has gone away."""
    lanes = Lanes(1, patience_s=LONG_S, deadline_s=LONG_S)
    callers = [asyncio.create_task(lanes.run(partial(gate))) for _ in range(17)]
    await gate.begin(2)
    callers[0].cancel()
    await asyncio.wait(callers[:1])

    assert 17 == lanes.waiting
    with pytest.raises(Busy):
        await lanes.run(partial(gate))
    gate.open.set()
    assert ["computed"] * 16 == await asyncio.gather(*callers[1:])
    assert "computed" == await lanes.run(partial(gate))


async def test_who_waits_and_hangs_up_makes_room(gate: Gate) -> None:
    """What no thread has begun is dropped with its caller."""
    lanes = Lanes(1, patience_s=LONG_S, deadline_s=LONG_S)
    callers = [asyncio.create_task(lanes.run(partial(gate))) for _ in range(17)]
    await gate.begin(2)
    callers[-1].cancel()
    await asyncio.wait(callers[-1:])

    assert 16 == lanes.waiting


async def test_what_fails_fails_for_its_caller_alone() -> None:
    """An error of the computation reaches whoever asked, and its place is free."""
    lanes = Lanes(1, deadline_s=LONG_S)
    with pytest.raises(ZeroDivisionError):
        await lanes.run(partial(divmod, 1, 0))

    assert 0 == lanes.waiting
