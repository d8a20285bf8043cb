"""What the scenarios ask. HTTP alone is observed: what a client sends to strict services, and what its caller gets."""

import asyncio
from collections.abc import AsyncIterator

from tests.conformance.adapter import ClientUnderTest, Unavailable
from tests.conformance.pair import Control
from tests.deadline import HANGS_S

BURST = 20


async def chunks() -> AsyncIterator[bytes]:
    """Yield a body of 50 bytes that can be had once."""
    for _ in range(10):
        yield b"chunk"


async def get(client: ClientUnderTest, pair: Control, path: str = "/things") -> int:
    """Return the status of one request to the resource service."""
    return (await client.request("GET", f"{pair.api_url}{path}")).status


async def recovered(client: ClientUnderTest, pair: Control) -> int:
    """Return the status of a request; on a slow machine, of the first whose refresh was in time."""
    async with asyncio.timeout(HANGS_S):
        while True:
            try:
                return await get(client, pair)
            except Unavailable:
                continue


async def until_given_up(client: ClientUnderTest, limit_s: float, waiting: "asyncio.Task[object]") -> None:
    """Let time pass until *waiting* is over. Its callers may come one by one, and each may wait for a refresh."""
    while not waiting.done():
        await client.let_pass(limit_s)
        await asyncio.wait([waiting], timeout=0.1)


async def burst(client: ClientUnderTest, pair: Control, size: int = BURST) -> list[int]:
    """Return the statuses of concurrent requests."""
    return await asyncio.gather(*(get(client, pair) for _ in range(size)))


async def failures(client: ClientUnderTest, pair: Control, size: int = BURST) -> set[type[object]]:
    """Return the kinds of what concurrent requests got."""
    calls = (client.request("GET", f"{pair.api_url}/things") for _ in range(size))
    return {type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True)}
