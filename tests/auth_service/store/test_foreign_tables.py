"""A database that another program uses, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dualtoken.auth_service.domain.models import Presented, Session, User
from dualtoken.auth_service.domain.rotation import Kind, RotationPolicy
from dualtoken.auth_service.errors import StartupError
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.privileges import grant
from dualtoken.auth_service.store.sql import open_database, open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, HASH
from tests.auth_service.store.test_sql_transactions import run_sql
from tests.postgresql import Cluster

WAY_OUT = {"sqlite": "another file", "postgresql": "AUTH_DATABASE_SCHEMA"}
FOREIGN = {
    "users": ["CREATE TABLE users (id int)"],
    "users, and Alembic's own": [
        "CREATE TABLE users (id int, email text)",
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('0001')",
    ],
    "sessions": ["CREATE TABLE sessions (id int, data text)"],
    "alembic_version": [
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('ae1027a6acf')",
    ],
    "alembic_version, with numbers": [
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('0007')",
    ],
    "alembic_version, with two branches": [
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('0001'), ('0002')",
    ],
    "alembic_version, of other columns": [
        "CREATE TABLE alembic_version (version text)",
        "INSERT INTO alembic_version VALUES ('0001')",
    ],
}
TAKEN = {
    "spent_assertions": ["CREATE TABLE spent_assertions (id int)"],
    "ix_sessions_expires_at": ["CREATE TABLE visits (id int)", "CREATE INDEX ix_sessions_expires_at ON visits (id)"],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'auth.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgresql")
    cluster.execute("DROP DATABASE IF EXISTS shared WITH (FORCE)", "CREATE DATABASE shared")
    yield cluster.url("shared")


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_table_of_another_program_is_named_with_the_way_out(url: str, name: str) -> None:
    """Neither migrating nor serving touches it; both say whose it is, and what to do."""
    await run_sql(url, *FOREIGN[name])
    database = open_database(url)
    table, dialect = name.partition(",")[0], url.partition(":")[0]
    told = rf"the table `{table}` there belongs to another program; .*{WAY_OUT[dialect]}"
    try:
        with pytest.raises(StartupError, match=told):
            await upgrade(database)
    finally:
        await database.close()
    with pytest.raises(StartupError, match=told):
        async with open_store(url):
            pass


@pytest.mark.parametrize("name", TAKEN)
async def test_a_name_that_is_taken_is_told_with_the_way_out(url: str, name: str) -> None:
    """Of the other tables, and of indexes, migrating tells."""
    await run_sql(url, *TAKEN[name])
    database = open_database(url)
    try:
        with pytest.raises(StartupError, match=rf"`{name}` there belongs to another .*{WAY_OUT[database.dialect]}"):
            await upgrade(database)
    finally:
        await database.close()


async def test_a_schema_of_its_own_keeps_the_tables_apart(postgresql: Cluster) -> None:
    """Beside another program's tables of the same names, the service works, with rights in its schema alone."""
    postgresql.execute(
        "DROP DATABASE IF EXISTS shared WITH (FORCE)", "CREATE DATABASE shared", "DROP ROLE IF EXISTS serving"
    )
    postgresql.execute("CREATE ROLE serving LOGIN")
    theirs = postgresql.url("shared")
    for statements in FOREIGN.values():
        await run_sql(theirs, *(statement.replace("TABLE", "TABLE IF NOT EXISTS") for statement in statements))
    database = open_database(theirs, "Dual_token")
    await upgrade(database)
    before, after = await upgrade(database)
    assert before == after
    await grant(database, "serving", "Dual_token")
    await database.close()
    user = User("u-1", "zs", "zs@example.org", "read")
    session = Session("AAAAAAAAAAAAAAAAAAAAAA", user, 0, START_MS, None, START_MS, START_MS + DAY)
    policy = RotationPolicy(refresh_ttl=DAY, grace=0)
    async with open_store(theirs.replace("postgres@", "serving@"), "Dual_token") as store:
        await store.add_user(user, HASH, now=START_MS)
        await store.create_session(session, verified_hash=HASH)
        [outcome] = await store.rotate([Presented(session.id, 0)], now=START_MS, policy=policy)
        await store.delete_expired(before=0, limit=1)

    assert Kind.ROTATE is outcome.kind
    assert "1|0" == postgresql.execute(
        'SELECT (SELECT count(*) FROM "Dual_token".users), (SELECT count(*) FROM public.users)', database="shared"
    )


async def test_a_schema_that_was_not_made_yet_is_said(postgresql: Cluster) -> None:
    """Serving names the command that makes it."""
    with pytest.raises(StartupError, match=r"at nothing, this code needs .* migrate"):
        async with open_store(postgresql.url(), "nowhere"):
            pass


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    """The setting is refused, not passed over."""
    with pytest.raises(StartupError, match="AUTH_DATABASE_SCHEMA: SQLite has no schemas"):
        open_database(f"sqlite:///{tmp_path / 'auth.db'}", "dualtoken")
