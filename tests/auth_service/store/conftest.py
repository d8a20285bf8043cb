import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.store import Store
from dualtoken.auth_service.store.database_url import sqlite_file
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.sql import open_database, open_store
from tests.auth_service.running import START_MS
from tests.postgresql import Cluster

DAY = 86_400_000
HASH = "$argon2id$v=19$stored"


EVERY_DATABASE = pytest.mark.parametrize("url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgresql_url(postgresql: Cluster) -> str:
    """The URL of a PostgreSQL database with the newest schema, shared by the tests of this folder."""
    postgresql.execute("CREATE DATABASE contracts")
    url = postgresql.url("contracts")
    with asyncio.Runner() as runner:
        runner.run(migrate(url))
    return url


async def migrate(url: str) -> tuple[str | None, str]:
    """Open a database, migrate it, close it."""
    database = open_database(url)
    try:
        return await upgrade(database)
    finally:
        await database.close()


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that holds nothing: SQLite, unless a test asks for ``EVERY_DATABASE``."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'auth.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    cluster: Cluster = request.getfixturevalue("postgresql")
    cluster.execute("TRUNCATE users, sessions, spent_assertions", database="contracts")
    return url


@pytest.fixture
async def store(url: str, user: User, migrated: Path) -> AsyncIterator[Store]:
    """An open store with one user."""
    if (path := sqlite_file(url)) is not None and not path.exists():
        shutil.copyfile(migrated, path)
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
    assert [] == await store.create_session(new_session, verified_hash=HASH)
    return new_session
