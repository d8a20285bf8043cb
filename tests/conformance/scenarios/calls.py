"""What the scenarios ask. HTTP alone is observed: what a client sends to strict services, and what its caller gets."""

import asyncio

from tests.conformance.adapter import ClientUnderTest
from tests.conformance.pair import Control

BURST = 50


async def get(client: ClientUnderTest, pair: Control, path: str = "/things") -> int:
    """Return the status of one request to the resource service."""
    return (await client.request("GET", f"{pair.api_url}{path}")).status


async def burst(client: ClientUnderTest, pair: Control, size: int = BURST) -> list[int]:
    """Return the statuses of concurrent requests."""
    return await asyncio.gather(*(get(client, pair) for _ in range(size)))


async def failures(client: ClientUnderTest, pair: Control, size: int = BURST) -> set[type[object]]:
    """Return the kinds of what concurrent requests got."""
    calls = (client.request("GET", f"{pair.api_url}/things") for _ in range(size))
    return {type(outcome) for outcome in await asyncio.gather(*calls, return_exceptions=True)}
