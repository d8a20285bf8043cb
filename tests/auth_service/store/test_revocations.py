"""The contract of ``Store`` for sessions that are ended, and for the feed."""

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from dualtoken.auth_service.domain.models import RevocationReason, Session
from dualtoken.auth_service.store import Store
from dualtoken.auth_service.store.sql import open_database, revoked_since
from tests.auth_service.store.conftest import EVERY_DATABASE
from tests.auth_service.store.stored import LATER, add_session

pytestmark = EVERY_DATABASE


async def test_a_session_is_revoked_once(store: Store, session: Session) -> None:
    """The first revocation stands; a second is False and changes neither time nor reason."""
    assert await store.revoke(session.id, RevocationReason.LOGOUT, now=LATER)
    assert not await store.revoke(session.id, RevocationReason.OPERATOR, now=LATER + 1)
    found = await store.find_session(session.id)
    assert found is not None
    assert (LATER, "logout") == (found.revoked_at, found.revoked_reason)


async def test_a_user_revokes_no_session_of_another(store: Store, session: Session) -> None:
    """With a user given, only that user's session is revoked."""
    assert not await store.revoke(session.id, RevocationReason.LOGOUT, now=LATER, user_id="u-2")
    assert await store.revoke(session.id, RevocationReason.LOGOUT, now=LATER, user_id="u-1")


async def test_revoking_a_users_sessions_counts_them(store: Store, session: Session) -> None:
    """Only live sessions count."""
    await add_session(store, session)

    assert 2 == await store.revoke_user("u-1", RevocationReason.LOGOUT, now=LATER)
    assert 0 == await store.revoke_user("u-1", RevocationReason.LOGOUT, now=LATER)


async def test_revocations_are_listed_in_order_of_time(store: Store, session: Session) -> None:
    """The feed has what was revoked at or after a time, oldest first, with its reason."""
    other = await add_session(store, session)
    await add_session(store, session)
    await store.revoke(other.id, RevocationReason.OPERATOR, now=LATER)
    await store.revoke(session.id, RevocationReason.LOGOUT, now=LATER + 1)

    feed = [(entry.session_id, entry.reason) for entry in await store.revocations(since=LATER)]

    assert [(other.id, "operator"), (session.id, "logout")] == feed
    assert [session.id] == [entry.session_id for entry in await store.revocations(since=LATER + 1)]


async def test_revocations_come_in_pages(store: Store, session: Session) -> None:
    """Behind the last entry of a page the next one begins, also within a millisecond."""
    added = [await add_session(store, session) for _ in range(5)]
    for number, each in enumerate(added):
        await store.revoke(each.id, RevocationReason.LOGOUT, now=LATER + number // 4)
    whole = await store.revocations(since=0)
    pages, since, after = [], 0, ""
    while page := await store.revocations(since=since, after=after, limit=2):
        pages.append(page)
        since, after = page[-1].revoked_at, page[-1].session_id

    assert [2, 2, 1] == [len(page) for page in pages]
    assert whole == [entry for page in pages for entry in page]


async def test_the_feed_reads_by_its_index(url: str, store: Store, session: Session) -> None:
    """The query of each look finds what was revoked, and scans nobody's sessions."""
    await store.revoke(session.id, RevocationReason.LOGOUT, now=LATER)
    database = open_database(url)
    dialect = sqlite.dialect() if database.dialect == "sqlite" else postgresql.dialect()
    query = revoked_since(LATER).compile(dialect=dialect, compile_kwargs={"literal_binds": True})

    def plan(connection: Connection) -> str:
        if database.dialect == "sqlite":
            explain = "EXPLAIN QUERY PLAN"
        else:
            # A table of one page is scanned whatever indexes it has.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            explain = "EXPLAIN"
        return str(connection.exec_driver_sql(f"{explain} {query}").all())

    try:
        steps = await database.read(plan)
    finally:
        await database.close()

    assert "ix_sessions_revoked_at" in steps
    assert [] == [scan for scan in ("SCAN sessions", "Seq Scan") if scan in steps]
