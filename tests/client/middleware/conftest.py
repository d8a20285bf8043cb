"""A session that signs."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from dualtoken.client import BearerAuth, TokenSource
from tests.conformance.pair import Control


@pytest.fixture
async def http(source: TokenSource, pair: Control) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session that signs requests to the resource service."""
    async with aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[pair.api_url])]) as session:
        yield session
