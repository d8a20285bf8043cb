"""The contract of ``Store`` for accounts."""

import asyncio

import pytest

from dualtoken.auth_service.domain.models import RevocationReason, Session, User
from dualtoken.auth_service.store import Kept, Store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE, HASH
from tests.auth_service.store.stored import LATER, OTHER, POLICY, add_session, revoked

pytestmark = EVERY_DATABASE


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


@pytest.mark.parametrize("name", ["'; DROP TABLE users; --", "ж", "🔑", "%", "a" * 255])
async def test_any_text_is_a_name(store: Store, name: str) -> None:
    """Names are values, never SQL."""
    user = OTHER._replace(username=name)

    assert await store.add_user(user, HASH, now=LATER)
    found = await store.find_credentials(name)
    assert found is not None
    assert user == found.user
