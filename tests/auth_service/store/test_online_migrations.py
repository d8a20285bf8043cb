"""Migrations of a PostgreSQL database that serves meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.store import postgresql_migration
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.postgresql_migration import LOCK
from dualtoken.auth_service.store.sql import open_database
from tests.auth_service.store.conftest import migrate
from tests.deadline import HANGS_S
from tests.postgresql import Cluster

_SESSION = "INSERT INTO sessions VALUES ('s', 'u', 0, 0, 0, 0, NULL, 0, 0, NULL, NULL, '', '')"


@pytest.fixture
async def url(postgresql: Cluster) -> str:
    """The URL of a database as the first release left it, with a user and a session."""
    postgresql.execute("DROP DATABASE IF EXISTS online WITH (FORCE)", "CREATE DATABASE online")
    url = postgresql.url("online")
    database = open_database(url)
    try:
        await upgrade(database, to="0001")
    finally:
        await database.close()
    postgresql.execute("INSERT INTO users VALUES ('u', 'u', '', '', '', 0)", _SESSION, database="online")
    return url


@asynccontextmanager
async def transaction(url: str, statement: str) -> AsyncIterator[Any]:
    """Yield a connection with an open transaction in which *statement* has run."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.fetch(statement)
            yield connection
    finally:
        await connection.close()


async def wait_for_lock(cluster: Cluster) -> None:
    """Return when a statement of the database waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'online' AND wait_event_type = 'Lock'"
    async with asyncio.timeout(HANGS_S):
        while await asyncio.to_thread(cluster.execute, waiting, database="online") == "0":
            pass  # PostgreSQL offers nothing to wait on


@pytest.mark.parametrize("revision", ["0001", "0002"])
async def test_nobody_queues_behind_a_migration(postgresql: Cluster, url: str, revision: str) -> None:
    """While it waits for a reader that has gone to lunch, rows are read and written; then it is done."""
    database = open_database(url)
    await upgrade(database, to=revision)
    async with transaction(url, "SELECT * FROM sessions JOIN users ON users.id = user_id"):
        migrating = asyncio.create_task(upgrade(database))
        await wait_for_lock(postgresql)
        async with asyncio.timeout(HANGS_S):
            for statement in (
                "SELECT * FROM users JOIN sessions ON users.id = user_id",
                "UPDATE sessions SET batch = 1",
            ):
                await asyncio.to_thread(postgresql.execute, statement, database="online")
        assert not migrating.done()
    async with asyncio.timeout(HANGS_S):
        before, _ = await migrating
    await database.close()

    assert revision == before


async def test_an_index_that_was_not_finished_is_made_anew(postgresql: Cluster, url: str) -> None:
    """What an interrupted migration left behind neither stops the next one nor stays."""
    postgresql.execute("CREATE INDEX ix_sessions_user_id_live ON sessions (ip)", database="online")
    postgresql.execute("DROP INDEX ix_sessions_user_id", database="online")
    await migrate(url)
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'sessions' AND indexname LIKE '%user%'"

    assert postgresql.execute(indexes, database="online").endswith(
        "ix_sessions_of_user ON public.sessions USING btree (user_id, revoked_at)"
    )


async def test_a_table_that_stays_locked_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration gives up at last; one that comes later goes on where it stopped."""
    monkeypatch.setattr(postgresql_migration, "_ATTEMPTS", 1)
    monkeypatch.setattr(postgresql_migration, "_PAUSE_S", 0)
    database = open_database(url)
    await upgrade(database, to="0002")
    await database.close()
    async with transaction(url, "LOCK TABLE users IN ACCESS SHARE MODE"):
        with pytest.raises(Unavailable, match="other transactions hold the tables"):
            await migrate(url)

    assert "0002" == (await migrate(url))[0]


async def test_a_migration_waits_for_another_without_a_statement(postgresql: Cluster, url: str) -> None:
    """Building an index waits for every statement that runs: one that waited for it would make both wait for ever.

    After a while it says what it waits for.
    """
    database = open_database(url)
    async with transaction(url, f"SELECT pg_advisory_xact_lock({LOCK})"), asyncio.timeout(HANGS_S):
        with capture_logs() as logs:
            migrating = asyncio.create_task(upgrade(database))
            while not logs:
                await asyncio.wait([migrating], timeout=0.1)
        running = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'online' AND wait_event = 'advisory'"
        waits = postgresql.execute(running, database="online")
    async with asyncio.timeout(HANGS_S):
        before, _ = await migrating
    await database.close()

    assert ("0", "0001") == (waits, before)
    assert ["migration.waits"] == [line["event"] for line in logs]
