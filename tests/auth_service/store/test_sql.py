"""The contracts of ``Store`` for accounts and sessions."""

import asyncio

import pytest
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.models import Device, RevocationReason, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import RotationPolicy
from dualtoken.auth_service.store import Kept, SessionLimit, Store
from dualtoken.auth_service.store.sql import open_database, open_store, revoked_since
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE, HASH

pytestmark = EVERY_DATABASE

POLICY = RotationPolicy(refresh_ttl=7 * DAY, grace=10_000)
OTHER = User("u-2", "mk", "mk@example.org", "read")
LATER = START_MS + 1000


async def add_session(store: Store, session: Session, **changes: object) -> Session:
    """Store a session like *session*, with an id of its own."""
    added = session._replace(id=new_session_id(), **changes)
    assert [] == await store.create_session(added, verified_hash=HASH)
    return added


async def revoked(store: Store, *sessions: Session) -> list[str | None]:
    """Return why each session was revoked."""
    found = [await store.find_session(session.id) for session in sessions]
    return [session.revoked_reason if session else "gone" for session in found]


async def test_a_user_is_found_by_name_and_by_id(store: Store, user: User) -> None:
    """What was added is found, hash included; nothing else is."""
    found = await store.find_credentials("zs")

    assert found is not None
    assert (user, HASH) == (found.user, found.password_hash)
    assert user == await store.find_user("u-1")
    assert None is await store.find_credentials("ZS")
    assert None is await store.find_user("zs")


async def test_a_name_is_taken_once(store: Store, user: User) -> None:
    """A second user of one name is not added, and changes nothing."""
    assert not await store.add_user(OTHER._replace(username="zs"), "other", now=LATER)
    assert [user] == await store.list_users()


@pytest.mark.usefixtures("patient")
async def test_of_many_who_take_a_name_at_once_one_has_it(store: Store) -> None:
    """Concurrent additions of one name: exactly one is added."""
    candidates = [OTHER._replace(id=f"id {number}") for number in range(8)]

    added = await asyncio.gather(*(store.add_user(user, HASH, now=LATER) for user in candidates))

    assert 1 == sum(added)


async def test_users_are_listed_by_name(store: Store, user: User) -> None:
    """The list is in the order of the names."""
    await store.add_user(OTHER, HASH, now=LATER)

    assert [OTHER, user] == await store.list_users()


async def test_disabling_revokes_the_users_sessions(store: Store, session: Session) -> None:
    """A disabled user has no live session; other users keep theirs; enabling brings none back."""
    await store.add_user(OTHER, HASH, now=START_MS)
    theirs = await add_session(store, session, user=OTHER)

    assert 1 == await store.set_disabled("zs", disabled=True, now=LATER)
    assert ["user_disabled", None] == await revoked(store, session, theirs)
    assert 0 == await store.set_disabled("zs", disabled=False, now=LATER)
    assert ["user_disabled", None] == await revoked(store, session, theirs)
    found = await store.find_user("u-1")
    assert found is not None
    assert None is found.disabled_at


async def test_nobody_cannot_be_disabled(store: Store) -> None:
    """An unknown name is said to be unknown."""
    assert None is await store.set_disabled("nobody", disabled=True, now=LATER)


async def test_a_new_password_revokes_all_but_one_session(store: Store, session: Session) -> None:
    """A change of password ends every other session of that user in the same transaction."""
    kept = await add_session(store, session)

    assert 1 == await store.set_password("u-1", "new", replacing=HASH, keep=Kept(kept.id, POLICY), now=LATER)
    assert ["password_changed", None] == await revoked(store, session, kept)
    found = await store.find_credentials("zs")
    assert found is not None
    assert "new" == found.password_hash


async def test_a_password_changed_meanwhile_is_not_overwritten(store: Store, session: Session) -> None:
    """If the stored hash is not the one that was verified, nothing is done."""
    assert None is await store.set_password("u-1", "new", replacing="older", keep=None, now=LATER)
    assert [None] == await revoked(store, session)
    assert None is await store.set_password("nobody", "new", replacing=None, keep=None, now=LATER)


@pytest.mark.parametrize("end", ["disabled", "revoked", "idle", "expired", "another's"])
async def test_a_session_that_has_ended_changes_no_password(store: Store, session: Session, end: str) -> None:
    """What ended the session or disabled the user while the new password was hashed wins: nothing is stored."""
    other, now = await add_session(store, session), LATER
    if end == "disabled":
        await store.set_disabled("zs", disabled=True, now=LATER)
    elif end == "revoked":
        await store.revoke(session.id, RevocationReason.LOGOUT, now=LATER)
    elif end == "another's":
        assert await store.add_user(OTHER, HASH, now=LATER)
        session = await add_session(store, session, user=OTHER)
    else:
        now += {"idle": POLICY.refresh_ttl, "expired": 30 * DAY}[end]
    before = await revoked(store, other)

    assert None is await store.set_password("u-1", "new", replacing=HASH, keep=Kept(session.id, POLICY), now=now)
    found = await store.find_credentials("zs")
    assert found is not None
    assert (HASH, before) == (found.password_hash, await revoked(store, other))


async def test_an_operator_sets_the_password_of_a_disabled_user(store: Store) -> None:
    """Without a session to keep, nothing has to be alive."""
    await store.set_disabled("zs", disabled=True, now=LATER)

    assert 0 == await store.set_password("u-1", "new", replacing=None, keep=None, now=LATER)


async def test_a_strengthened_hash_revokes_nothing(store: Store, session: Session) -> None:
    """Another hash of the same password leaves sessions alone; it never replaces a hash that was changed meanwhile."""
    assert await store.strengthen_hash("u-1", "stronger", replacing=HASH)
    assert not await store.strengthen_hash("u-1", "again", replacing=HASH)
    assert [None] == await revoked(store, session)
    found = await store.find_credentials("zs")
    assert found is not None
    assert "stronger" == found.password_hash


async def test_a_session_is_found_as_it_was_stored(store: Store, new_session: Session) -> None:
    """Every field comes back."""
    stored = await add_session(store, new_session, client=Device("Firefox", "192.0.2.1"))

    assert stored == await store.find_session(stored.id)
    assert None is await store.find_session("unknown")


async def test_no_session_slips_past_a_change_of_password(store: Store, new_session: Session) -> None:
    """A log-in that verified the old password opens no session after the change."""
    await store.set_password("u-1", "new", replacing=None, keep=None, now=LATER)

    assert None is await store.create_session(new_session, verified_hash=HASH)
    assert None is await store.find_session(new_session.id)


async def test_no_session_slips_past_disabling(store: Store, new_session: Session) -> None:
    """A log-in that verified the password just before the user was disabled opens no session."""
    await store.set_disabled("zs", disabled=True, now=LATER)

    assert None is await store.create_session(new_session, verified_hash=HASH)


async def test_a_log_in_beyond_the_limit_ends_the_sessions_not_seen_for_longest(
    store: Store, session: Session, new_session: Session
) -> None:
    """Those that are left are the latest seen; neither expired nor revoked nor other users' sessions count."""
    await store.add_user(OTHER, HASH, now=START_MS)
    theirs = await add_session(store, session, user=OTHER)
    idle = await add_session(store, session, rotated_at=LATER - 7 * DAY)
    older = [await add_session(store, session, rotated_at=START_MS - age) for age in (1, 2)]
    late = new_session._replace(id=new_session_id(), rotated_at=LATER, created_at=LATER)

    ended = await store.create_session(late, verified_hash=HASH, limit=SessionLimit(2, POLICY))

    assert sorted(each.id for each in older) == sorted(ended or [])
    assert ["session_limit"] * 2 == await revoked(store, *older)
    assert [None] * 4 == await revoked(store, theirs, idle, session, late)
    assert {(each.id, LATER) for each in older} == {entry[:2] for entry in await store.revocations(since=0)}


async def test_the_new_session_is_never_the_one_that_ends(store: Store, session: Session) -> None:
    """With room for one, and others seen at the same moment or later, the new one stays."""
    later = await add_session(store, session, rotated_at=LATER)
    new = session._replace(id="-" * 22)

    ended = await store.create_session(new, verified_hash=HASH, limit=SessionLimit(1, POLICY))

    assert sorted([later.id, session.id]) == sorted(ended or [])
    assert [None] == await revoked(store, new)


async def test_a_log_in_that_is_not_allowed_ends_nothing(store: Store, session: Session) -> None:
    """Nothing done is nothing done."""
    new, limit = session._replace(id=new_session_id()), SessionLimit(1, POLICY)

    assert None is await store.create_session(new, verified_hash="older", limit=limit)
    assert [None] == await revoked(store, session)


@pytest.mark.usefixtures("patient")
async def test_log_ins_at_once_do_not_wait_for_each_other(store: Store, session: Session) -> None:
    """Of many log-ins of one user at the same moment none fails, and the next leaves as many sessions as may be."""
    limit = SessionLimit(3, POLICY)
    crowd = [session._replace(id=new_session_id()) for _ in range(20)]
    opened = await asyncio.gather(*(store.create_session(new, verified_hash=HASH, limit=limit) for new in crowd))
    await store.create_session(session._replace(id=new_session_id()), verified_hash=HASH, limit=limit)

    assert None not in opened
    assert 3 == len(await store.list_sessions("u-1", now=LATER, policy=POLICY))


async def test_no_more_than_a_thousand_sessions_are_listed(store: Store, session: Session) -> None:
    """A list has an end, and the latest seen are in it."""
    for number in range(1000):
        last = await add_session(store, session, rotated_at=START_MS + 1 + number)
    listed = await store.list_sessions("u-1", now=LATER, policy=POLICY)

    assert (1000, last) == (len(listed), listed[0])
    assert session not in listed


async def test_live_sessions_are_listed_latest_first(store: Store, session: Session) -> None:
    """Sessions that ended, by whatever cause, are not in the list."""
    newer = await add_session(store, session, rotated_at=LATER)
    await add_session(store, session, rotated_at=LATER - 7 * DAY)
    await add_session(store, session, expires_at=LATER)
    ended = await add_session(store, session)
    await store.revoke(ended.id, RevocationReason.LOGOUT, now=LATER)

    assert [newer, session] == await store.list_sessions("u-1", now=LATER, policy=POLICY)
    assert [] == await store.list_sessions("u-2", now=LATER, policy=POLICY)


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


async def test_expired_sessions_are_deleted_a_few_at_a_time(store: Store, session: Session) -> None:
    """Only sessions past their absolute end go, revoked ones included, and no more than the limit."""
    for _ in range(3):
        await add_session(store, session, expires_at=LATER)

    assert 2 == await store.delete_expired(before=LATER + 1, limit=2)
    assert 1 == await store.delete_expired(before=LATER + 1, limit=2)
    assert 0 == await store.delete_expired(before=LATER + 1, limit=2)
    assert session == await store.find_session(session.id)


@pytest.mark.parametrize("name", ["'; DROP TABLE users; --", "ж", "🔑", "%", "a" * 255])
async def test_any_text_is_a_name(store: Store, name: str) -> None:
    """Names are values, never SQL."""
    user = OTHER._replace(username=name)

    assert await store.add_user(user, HASH, now=LATER)
    found = await store.find_credentials(name)
    assert found is not None
    assert user == found.user


async def test_what_was_answered_is_seen_by_others(url: str, session: Session) -> None:
    """Whoever else opens the database sees the session at once."""
    async with open_store(url) as other:
        assert session == await other.find_session(session.id)


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


async def test_the_time_that_a_database_tells(store: Store, session: Session) -> None:
    """Its clock where it has one; else the newest time that stands in it."""
    before = wall_clock()
    reading = await store.read_clock()

    expected = range(before - 60_000, wall_clock() + 60_000) if reading.is_clock else [session.rotated_at]
    assert reading.at in expected
