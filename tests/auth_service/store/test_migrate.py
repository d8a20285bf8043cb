import asyncio
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from dualtoken.auth_service.errors import StartupError, Unavailable
from dualtoken.auth_service.store import migrate as migrations
from dualtoken.auth_service.store.migrate import require_current_schema, upgrade
from dualtoken.auth_service.store.postgresql_migration import LOCK
from dualtoken.auth_service.store.schema import metadata
from dualtoken.auth_service.store.sql import open_database, open_store
from tests.auth_service.store.conftest import EVERY_DATABASE, migrate
from tests.auth_service.store.test_sql_transactions import run_sql
from tests.postgresql import Cluster

NEWEST = max(path.name[:4] for path in Path(migrations.__file__).with_name("migrations").glob("versions/*.py"))


async def test_migrating_twice_is_migrating_once(url: str) -> None:
    """The first migration makes the schema, the second finds it there."""
    before, head = await migrate(url)

    assert None is before
    assert (head, head) == await migrate(url)


@EVERY_DATABASE
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


@pytest.mark.usefixtures("patient")
async def test_processes_that_migrate_at_once_do_it_once(url: str) -> None:
    """Of eight that migrate one empty database at the same time, one does, and none fails."""
    results = await asyncio.gather(*(migrate(url) for _ in range(8)))

    assert 1 == sum(before is None for before, _ in results)


async def test_a_migration_takes_as_long_as_it_needs(postgresql: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that bounds other transactions does not bound a migration, nor its wait for another one's end."""
    postgresql.execute("DROP DATABASE IF EXISTS migrated WITH (FORCE)", "CREATE DATABASE migrated")
    url = postgresql.url("migrated")
    other = await asyncpg.connect(url)
    lock = other.transaction()
    await lock.start()
    await other.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    monkeypatch.setattr("dualtoken.auth_service.store.postgresql.TRANSACTION_S", 0.3)
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


@EVERY_DATABASE
async def test_a_newer_schema_is_refused(url: str) -> None:
    """Older code does not touch a database of newer code, unless it is told that it may."""
    await migrate(url)
    await run_sql(url, "UPDATE alembic_version SET version_num = '9999'")
    try:
        with pytest.raises(StartupError, match=r"9999.*newer.*AUTH_ACCEPT_NEWER_SCHEMA"):
            await migrate(url)
        with pytest.raises(StartupError, match=r"9999.*newer"):
            async with open_store(url):
                pass
        async with open_store(url, accept_newer=True) as store:
            assert [] == await store.list_users()
    finally:
        await run_sql(url, f"UPDATE alembic_version SET version_num = '{NEWEST}'")  # noqa: S608 - a file's name


async def test_a_schema_that_is_behind_says_what_to_do(url: str) -> None:
    """Where the service must not migrate by itself, it names the command that does."""
    database = open_database(url)
    try:
        with pytest.raises(StartupError, match=r"run `python -m dualtoken\.auth_service migrate`"):
            await require_current_schema(database)
        await upgrade(database)
        await require_current_schema(database)
    finally:
        await database.close()
