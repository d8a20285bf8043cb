"""A running service with one shared key."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.resource_service.issuer import TTL_S, Key, write_keys
from tests.resource_service.services import resource_service


@pytest.fixture
def key() -> Key:
    """The shared key."""
    return Key()


@pytest.fixture
def key_file(tmp_path: Path, key: Key) -> Path:
    """The file that holds it."""
    return write_keys(tmp_path / "access.jwks.json", key)


@pytest.fixture
async def service(key_file: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A running service, and a client of it."""
    async with resource_service(key_file) as session:
        yield session


@pytest.fixture
def times() -> dict[str, int]:
    """The claims of a token issued now, for services on the real clock."""
    now = int(time.time())
    return {"iat": now, "exp": now + TTL_S}
