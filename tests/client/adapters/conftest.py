"""Sources with a session, for coroutines and for threads."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dualtoken.client.sync import TokenSource
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control


@pytest.fixture
async def thread_source(pair: Control) -> AsyncIterator[TokenSource]:
    """A source for threads."""
    source = TokenSource(pair.auth_url)
    await asyncio.to_thread(source.login, "zs", PASSWORD)
    yield source
    await asyncio.to_thread(source.close)
