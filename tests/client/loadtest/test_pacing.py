"""When requests begin."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dualtoken.client.loadtest.pacing import Pacer
from tests.client.conftest import FakeClock


def pacer(
    clock: FakeClock, *, duration_s: float | None = None, requests: int | None = None, rate: float | None = None
) -> Pacer:
    """Return a pacer on *clock*."""
    return Pacer(clock, duration_s=duration_s, requests=requests, rate=rate)


async def test_a_stalled_server_delays_no_due_moment(clock: FakeClock) -> None:
    """At a rate, requests are due at fixed moments, however late they can be begun."""
    paced = pacer(clock, duration_s=60, rate=10)
    began = clock.now
    await paced.next_start()
    clock.advance(5)  # the server stalls, and all lanes with it
    due = [await paced.next_start() for _ in range(3)]

    assert [began + 0.1, began + 0.2, began + 0.3] == due


async def test_nothing_begins_before_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that is early does not make a request look fast."""
    clock = FakeClock()
    paced = pacer(clock, duration_s=10, rate=1)
    waits: list[float] = []

    @asynccontextmanager
    async def early(wait: float) -> AsyncIterator[None]:
        waits.append(wait)
        clock.advance(wait if len(waits) > 3 else wait * 0.75)
        raise TimeoutError
        yield

    monkeypatch.setattr(asyncio, "timeout", early)
    await paced.next_start()
    due = await paced.next_start()

    assert ([1.0, 0.25, 0.0625, 0.015625], clock.now) == (waits, due)


async def test_what_found_no_place_is_counted(clock: FakeClock) -> None:
    """Arrivals that were due and never begun are told."""
    paced = pacer(clock, duration_s=10, rate=10)
    await paced.next_start()
    clock.advance(10)

    assert (None, 99) == (await paced.next_start(), paced.not_begun())


async def test_an_arrival_just_before_the_end_counts_as_missed(clock: FakeClock) -> None:
    """Of arrivals at 0, 0.4 and 0.8 s all three are due within a second."""
    paced = pacer(clock, duration_s=1, rate=2.5)
    await paced.next_start()
    clock.advance(1)

    assert 2 == paced.not_begun()


async def test_the_dust_of_a_float_is_no_arrival(clock: FakeClock) -> None:
    """Of a hundred in a second, all begun, none is missed, whatever the clock shows."""
    clock.now = 3476.813646463
    paced = pacer(clock, duration_s=1.1, rate=100)
    clock.advance(1.0999)
    begun = [await paced.next_start() for _ in range(110)]
    clock.advance(1)

    assert (110, 0) == (len([due for due in begun if due is not None]), paced.not_begun())


async def test_a_lane_that_finds_nothing_left_does_not_end_the_run(clock: FakeClock) -> None:
    """The run is over when the last moment that somebody waits for has come."""
    paced = Pacer(clock, duration_s=1, requests=None, rate=1.5)
    await paced.next_start()
    last = asyncio.create_task(paced.next_start())  # due in 0.67 s
    await asyncio.sleep(0)
    nothing = await paced.next_start()
    early = paced.over.is_set()
    clock.advance(1)

    assert (None, False, clock.now - 1 + 1 / 1.5) == (nothing, early, await last)
    assert paced.over.is_set()


async def test_a_duration_ends_the_run(clock: FakeClock) -> None:
    """After the duration nothing is begun."""
    paced = pacer(clock, duration_s=10)
    first = await paced.next_start()
    clock.advance(10)

    assert (True, None) == (first is not None, await paced.next_start())


async def test_a_number_ends_the_run(clock: FakeClock) -> None:
    """So many requests are begun, and no more."""
    paced = pacer(clock, requests=3)
    begun = [await paced.next_start() for _ in range(5)]

    assert 3 == sum(due is not None for due in begun)


async def test_stopping_ends_a_wait() -> None:
    """A lane that waits for its next moment is let go at once, and nothing counts as missed."""
    paced = Pacer(time.monotonic, duration_s=None, requests=None, rate=0.001)
    await paced.next_start()
    waiting = asyncio.create_task(paced.next_start())
    await asyncio.sleep(0)
    paced.stop()

    assert (None, 0) == (await waiting, paced.not_begun())
