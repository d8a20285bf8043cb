"""One process that makes load: how it ends."""

import asyncio
from dataclasses import replace

import pytest

from dualtoken.client.loadtest.pacing import Pacer
from dualtoken.client.loadtest.worker import Worker
from tests.client.conftest import FakeClock
from tests.client.loadtest.results import OPTIONS
from tests.deadline import HANGS_S


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Return a worker that has hardly any patience with requests under way at the end."""
    monkeypatch.setattr("dualtoken.client.loadtest.worker.DRAIN_GRACE_S", 0.0)
    return Worker(replace(OPTIONS, timeout_s=0.05), "password", 0, 1)


def paced(worker: Worker, clock: FakeClock, *, duration_s: float, rate: float | None = None) -> Pacer:
    """Let the run begin."""
    worker._pacer = Pacer(clock, duration_s=duration_s, requests=None, rate=rate)
    return worker._pacer


async def test_a_slow_rate_is_not_cut_off(worker: Worker, clock: FakeClock) -> None:
    """Lanes that find no arrival left at the very beginning do not end those that wait for one."""
    pacer = paced(worker, clock, duration_s=0.1, rate=20)
    begun: list[float] = []

    async def lane() -> None:
        while (due := await pacer.next_start()) is not None:
            begun.append(due)

    lanes = [asyncio.create_task(lane()) for _ in range(5)]
    asyncio.get_running_loop().call_later(0.01, clock.advance, 0.05)  # when each lane has asked for its first moment
    await worker._drained(lanes)

    assert (2, 0) == (len(begun), worker._now.meter.counts.failed)


async def test_a_request_that_does_not_end_is_a_failure(worker: Worker, clock: FakeClock) -> None:
    """Once nothing more is begun it gets the time that its own limits allow, and no more."""
    pacer = paced(worker, clock, duration_s=0.01)

    async def lane(*, hangs: bool) -> None:
        while await pacer.next_start() is not None:
            clock.advance(0.001)
            await (asyncio.Event().wait() if hangs else asyncio.sleep(0))

    lanes = [asyncio.create_task(lane(hangs=hangs)) for hangs in (True, False)]
    await asyncio.wait_for(worker._drained(lanes), HANGS_S)

    assert (1, {"not ended in time": 1}) == (worker._now.meter.counts.failed, dict(worker._now.meter.errors))


async def test_a_lane_that_hears_no_cancellation_begins_nothing_more(worker: Worker, clock: FakeClock) -> None:
    """A defect in one lane ends the run at once, even if another takes its cancellation for a timeout."""
    pacer = paced(worker, clock, duration_s=600)
    hanging = asyncio.Event()

    async def deaf() -> None:
        while await pacer.next_start() is not None:
            hanging.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def broken() -> None:
        await hanging.wait()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(worker._drained([asyncio.create_task(deaf()), asyncio.create_task(broken())]), HANGS_S)
