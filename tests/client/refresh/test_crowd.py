"""Ten thousand callers."""

import asyncio
import gc
import time

import aiohttp

from dualtoken.client import BearerAuth
from tests.client.conftest import MakeSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.faults import Fault
from tests.conformance.pair import Control

CROWD = 10_000


async def test_ten_thousand_requests_at_expiry_cost_one_refresh(make_source: MakeSource, pair: Control) -> None:
    """1 refresh, 0 failures."""
    source = make_source(refresh_timeout_s=3600)  # no second attempt, however slow the machine
    await source.login("zs", PASSWORD)
    await pair.expire()
    auth = BearerAuth(source, origins=[pair.api_url])
    timeout = aiohttp.ClientTimeout()  # none: most of the crowd waits for its turn

    async def call() -> int:
        async with http.get(f"{pair.api_url}/things") as response:
            return response.status

    async with aiohttp.ClientSession(middlewares=[auth], timeout=timeout) as http:
        statuses = await asyncio.gather(*(call() for _ in range(CROWD)))

    assert [200] * CROWD == statuses
    assert {"refresh_calls": 1, "reuses": 0} == await pair.counts("refresh_calls", "reuses")


async def test_cancelling_a_crowd_stays_linear(make_source: MakeSource, pair: Control) -> None:
    """Ten times as many waiters take about ten times as long to cancel, not a hundred times."""
    source = make_source(refresh_timeout_s=3600)  # no second attempt, however slow the machine
    await source.login("zs", PASSWORD)

    async def cancel(count: int) -> float:
        callers = [asyncio.create_task(source.token(rejected="at-1")) for _ in range(count)]
        await asyncio.sleep(0)
        gc.collect()
        gc.disable()  # its own work grows with all that is alive
        try:
            begun = time.thread_time()
            for caller in callers:
                caller.cancel()
            await asyncio.wait(callers)
            return time.thread_time() - begun
        finally:
            gc.enable()

    await pair.fault("refresh", Fault("hang_before"))
    await cancel(100)
    few = min([await cancel(2_000) for _ in range(5)])
    many = min([await cancel(20_000) for _ in range(3)])
    await pair.release()

    assert many < 50 * few
    assert "at-2" == await source.token(rejected="at-1")
