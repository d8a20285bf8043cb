"""Databases of every released version, with data in them, come forward to the newest schema."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from dualtoken.auth_service.domain.models import Credentials, Device, Presented, Session, User
from dualtoken.auth_service.domain.rotation import Kind, RotationPolicy
from dualtoken.auth_service.store import migrate
from dualtoken.auth_service.store.sql import SqlStore, open_database
from tests.auth_service.store.conftest import DAY
from tests.postgresql import Cluster

RELEASED = Path(__file__).with_name("released")
REVISIONS = sorted(path.stem for path in RELEASED.glob("*.sql"))
ZS = User("u-1", "zs", "zs@example.org", "read write")
LS = User("u-2", "李四", "ls@example.org", "", disabled_at=1700000000005)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'auth.db'}"
    cluster: Cluster = request.getfixturevalue("postgresql")
    cluster.execute("DROP DATABASE IF EXISTS released WITH (FORCE)", "CREATE DATABASE released")
    return cluster.url("released")


def test_every_revision_has_data_to_come_forward_with() -> None:
    """Who adds a migration adds the data of the schema that it leaves behind."""
    scripts = Path(migrate.__file__).with_name("migrations")
    revisions = {script.revision for script in ScriptDirectory(str(scripts)).walk_revisions()}

    assert revisions == set(REVISIONS)


def test_files_are_named_by_their_revisions() -> None:
    """In the order in which Alembic applies them: whether a schema is current is found out by the names alone."""
    scripts = Path(migrate.__file__).with_name("migrations")
    newest_first = [script.revision for script in ScriptDirectory(str(scripts)).walk_revisions()]

    assert newest_first[::-1] == sorted(path.name[:4] for path in (scripts / "versions").glob("*.py"))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_data_of_a_released_schema_comes_forward(empty: str, revision: str) -> None:
    """Users and sessions are what they were, live and revoked ones alike; and they rotate."""
    database = open_database(empty)
    statements = [statement for statement in (RELEASED / f"{revision}.sql").read_text().split(";\n") if statement]
    try:
        await migrate.upgrade(database, to=revision)
        for statement in statements:
            await database.write(lambda connection, sql=statement: connection.exec_driver_sql(sql).rowcount)
        await migrate.upgrade(database)
        store = SqlStore(database)
        users = [await store.find_credentials(name) for name in ("zs", "李四")]
        sessions = [await store.find_session(id_) for id_ in ("AAAAAAAAAAAAAAAAAAAAAA", "AQEBAQEBAQEBAQEBAQEBAQ")]
        policy = RotationPolicy(refresh_ttl=DAY, grace=0)
        [outcome] = await store.rotate([Presented("AAAAAAAAAAAAAAAAAAAAAA", 7)], now=1700000002000, policy=policy)
    finally:
        await database.close()

    assert (Kind.ROTATE, 8) == (outcome.kind, outcome.generation)
    assert [Credentials(ZS, "$argon2id$v=19$stored"), Credentials(LS, "$argon2id$v=19$other")] == users
    created, rotated, expires = 1700000000000, 1700000001000, 1702592000000
    curl = Device("curl/8", "127.0.0.1")
    ended = (1700000000005, "user_disabled", Device("", "::1"))
    assert [
        Session("AAAAAAAAAAAAAAAAAAAAAA", ZS, 7, rotated, "digest", created, expires, client=curl),
        Session("AQEBAQEBAQEBAQEBAQEBAQ", LS, 2**32 - 1, rotated, None, created, expires, *ended),
    ] == sessions
