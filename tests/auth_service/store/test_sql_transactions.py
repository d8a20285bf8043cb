"""What ``Store`` does in one transaction, where the second half of it fails in the database."""

from collections.abc import AsyncIterator

import pytest

from dualtoken.auth_service.domain.models import Session, new_session_id
from dualtoken.auth_service.domain.rotation import RotationPolicy
from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.store import SessionLimit, Store
from dualtoken.auth_service.store.sql import open_database
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE, HASH

pytestmark = EVERY_DATABASE

LATER = START_MS + 1000
ONE = SessionLimit(1, RotationPolicy(refresh_ttl=7 * DAY, grace=10_000))


async def break_revocation(url: str) -> None:
    """Let every UPDATE of a session fail in the database."""
    fail = ["CREATE TRIGGER broken BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END"]
    if url.startswith("postgresql"):
        body = "BEGIN RAISE EXCEPTION 'broken'; END"
        fail = [
            f"CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            "CREATE TRIGGER broken BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION broken()",
        ]
    await run_sql(url, *fail)


async def run_sql(url: str, *statements: str) -> None:
    """Run statements on a connection of their own."""
    database = open_database(url)
    try:
        for statement in statements:
            await database.write(lambda connection, sql=statement: connection.exec_driver_sql(sql).close())
    finally:
        await database.close()


@pytest.fixture
async def broken(url: str, store: Store, session: Session) -> AsyncIterator[Session]:
    """A live session of a store that can revoke nothing."""
    assert await store.find_session(session.id)
    await break_revocation(url)
    yield session
    if url.startswith("postgresql"):
        await run_sql(url, "DROP TRIGGER broken ON sessions", "DROP FUNCTION broken")


async def test_disabling_and_revoking_are_one_transaction(store: Store, broken: Session) -> None:
    """Where the sessions cannot be revoked, the user is not disabled either."""
    with pytest.raises(Unavailable):
        await store.set_disabled("zs", disabled=True, now=LATER)

    found = await store.find_session(broken.id)
    assert found is not None
    assert (None, None) == (found.user.disabled_at, found.revoked_at)


async def test_a_new_password_and_revoking_are_one_transaction(store: Store, broken: Session) -> None:
    """Where the sessions cannot be revoked, the password stays."""
    with pytest.raises(Unavailable):
        await store.set_password("u-1", "new", replacing=HASH, keep=None, now=LATER)

    found, session = await store.find_credentials("zs"), await store.find_session(broken.id)
    assert found is not None
    assert session is not None
    assert (HASH, None) == (found.password_hash, session.revoked_at)


async def test_a_log_in_and_what_it_ends_are_one_transaction(store: Store, broken: Session) -> None:
    """Where the sessions beyond the limit cannot be revoked, there is no new one."""
    new = broken._replace(id=new_session_id())
    with pytest.raises(Unavailable):
        await store.create_session(new, verified_hash=HASH, limit=ONE)

    assert None is await store.find_session(new.id)
