import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from auth_service.errors import StartupError, Unavailable
from auth_service.store.migrate import LOCK, require_current_schema, upgrade
from auth_service.store.schema import metadata
from auth_service.store.sql import open_database
from tests.auth_service.store.conftest import migrate
from tests.postgresql import Cluster


async def test_migrating_twice_is_migrating_once(url: str) -> None:
    """The first migration makes the schema, the second finds it there."""
    before, head = await migrate(url)

    assert None is before
    assert (head, head) == await migrate(url)


async def test_migrations_and_tables_agree(url: str) -> None:
    """The migrated schema is exactly the one that the code declares."""
    await migrate(url)
    database = open_database(url)
    try:
        differences = await database.read(
            lambda connection: compare_metadata(MigrationContext.configure(connection), metadata)
        )
    finally:
        await database.close()

    assert [] == differences


async def test_processes_that_migrate_at_once_do_it_once(url: str) -> None:
    """Of eight that migrate one empty database at the same time, one does, and none fails."""
    results = await asyncio.gather(*(migrate(url) for _ in range(8)))

    assert 1 == sum(before is None for before, _ in results)


async def test_a_migration_takes_as_long_as_it_needs(postgresql: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that bounds other transactions does not bound a migration, nor its wait for another one's end."""
    postgresql.execute("DROP DATABASE IF EXISTS migrated", "CREATE DATABASE migrated")
    url = postgresql.url("migrated")
    other = await asyncpg.connect(url)
    lock = other.transaction()
    await lock.start()
    await other.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    monkeypatch.setattr("auth_service.store.postgresql.TRANSACTION_S", 0.3)
    migrating = asyncio.create_task(migrate(url))
    database = open_database(url)
    with pytest.raises(Unavailable):
        await database.write(
            lambda connection: connection.scalar(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCK})
        )
    await lock.rollback()

    assert None is (await migrating)[0]
    await database.close()
    await other.close()


async def test_a_newer_schema_is_refused(url: str, tmp_path: Path) -> None:
    """Older code does not touch a database of newer code."""
    await migrate(url)
    with closing(sqlite3.connect(tmp_path / "auth.db", isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StartupError, match=r"9999.*newer"):
        await migrate(url)


async def test_a_schema_that_is_behind_says_what_to_do(url: str) -> None:
    """Where the service must not migrate by itself, it names the command that does."""
    database = open_database(url)
    try:
        with pytest.raises(StartupError, match="python -m auth_service migrate"):
            await require_current_schema(database)
        await upgrade(database)
        await require_current_schema(database)
    finally:
        await database.close()
