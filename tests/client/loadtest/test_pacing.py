"""When requests begin."""

import asyncio
import time

from client.loadtest.pacing import Pacer
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


async def test_nothing_begins_before_it_is_due() -> None:
    """A timer that is early does not make a request look fast."""
    paced = Pacer(time.monotonic, duration_s=0.2, requests=None, rate=200)
    early = 0
    while (due := await paced.next_start()) is not None:
        early += time.monotonic() < due

    assert 0 == early


async def test_what_found_no_place_is_counted(clock: FakeClock) -> None:
    """Arrivals that were due and never begun are told."""
    paced = pacer(clock, duration_s=10, rate=10)
    await paced.next_start()
    clock.advance(10)

    assert (None, 99) == (await paced.next_start(), paced.not_begun())


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
