from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth_service.models import Session, User, new_session_id
from auth_service.store import Store
from auth_service.store.sql import open_store
from tests.auth_service.running import START_MS

DAY = 86_400_000
HASH = "$argon2id$v=19$stored"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'auth.db'}"


@pytest.fixture
async def store(url: str, user: User) -> AsyncIterator[Store]:
    """An open store with one user."""
    async with open_store(url) as store:
        assert await store.add_user(user, HASH, now=START_MS)
        yield store


@pytest.fixture
def new_session(user: User) -> Session:
    """A session that began now, not stored yet."""
    return Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 30 * DAY)


@pytest.fixture
async def session(store: Store, new_session: Session) -> Session:
    """The same, stored."""
    assert await store.create_session(new_session, verified_hash=HASH)
    return new_session
