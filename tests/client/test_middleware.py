"""BearerAuth: which requests are signed, and what becomes of a 401."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from client import BearerAuth, TokenSource
from tests.conformance.pair import Control


@pytest.fixture
async def http(source: TokenSource, pair: Control) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session that signs requests to the resource service."""
    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[pair.api_url])]) as session:
        yield session


async def fetch(http: aiohttp.ClientSession, url: str) -> int:
    """Return the status of one GET."""
    async with http.get(url) as response:
        await response.read()
        return response.status


async def test_a_burst_at_expiry_costs_one_refresh(http: aiohttp.ClientSession, pair: Control) -> None:
    """Concurrent 401s are answered by one refresh and one replay each."""
    await pair.expire()

    assert {200} == set(await asyncio.gather(*(fetch(http, f"{pair.api_url}/things") for _ in range(200))))
    assert await pair.counts("refresh_calls", "api_401s", "api_requests") == {
        "refresh_calls": 1,
        "api_401s": 200,
        "api_requests": 400,
    }


async def test_a_foreign_origin_sees_no_token(http: aiohttp.ClientSession, pair: Control) -> None:
    """Only allow-listed origins are signed."""
    await fetch(http, f"{pair.foreign_url}/public")

    assert await pair.counts("foreign_seen") == {"foreign_seen": [None]}
