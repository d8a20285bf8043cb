"""The contract of ``Store`` for sessions."""

import asyncio

import pytest

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.models import Device, RevocationReason, Session, new_session_id
from dualtoken.auth_service.store import SessionLimit, Store
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE, HASH
from tests.auth_service.store.stored import LATER, OTHER, POLICY, add_session, revoked

pytestmark = EVERY_DATABASE


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


async def test_expired_sessions_are_deleted_a_few_at_a_time(store: Store, session: Session) -> None:
    """Only sessions past their absolute end go, revoked ones included, and no more than the limit."""
    for _ in range(3):
        await add_session(store, session, expires_at=LATER)

    assert 2 == await store.delete_expired(before=LATER + 1, limit=2)
    assert 1 == await store.delete_expired(before=LATER + 1, limit=2)
    assert 0 == await store.delete_expired(before=LATER + 1, limit=2)
    assert session == await store.find_session(session.id)


async def test_what_was_answered_is_seen_by_others(url: str, session: Session) -> None:
    """Whoever else opens the database sees the session at once."""
    async with open_store(url) as other:
        assert session == await other.find_session(session.id)


async def test_the_time_that_a_database_tells(store: Store, session: Session) -> None:
    """Its clock where it has one; else the newest time that stands in it."""
    before = wall_clock()
    reading = await store.read_clock()

    expected = range(before - 60_000, wall_clock() + 60_000) if reading.is_clock else [session.rotated_at]
    assert reading.at in expected
