"""Sources with a session, for coroutines and for threads."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dualtoken.client.sync import TokenSource
from tests.client.conftest import FakeClock
from tests.conformance.auth_fake import PASSWORD
from tests.conformance.pair import Control
from tests.deadline import HANGS_S


@pytest.fixture
async def thread_source(pair: Control, clock: FakeClock) -> AsyncIterator[TokenSource]:
    """A source for threads."""
    source = TokenSource(pair.auth_url, refresh_timeout_s=HANGS_S, clock=clock)
    await asyncio.to_thread(source.login, "zs", PASSWORD)
    yield source
    await asyncio.to_thread(source.close)
