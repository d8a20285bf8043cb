"""Accounts as a backend changes them, on a real database."""

import asyncio

import pytest

from dualtoken.auth_service.domain.accounts import Change, changed
from dualtoken.auth_service.domain.models import (
    Credentials,
    Device,
    Presented,
    RevocationReason,
    Session,
    User,
    new_session_id,
)
from dualtoken.auth_service.domain.rotation import Kind, RotationPolicy
from dualtoken.auth_service.errors import PreconditionFailed, UsernameTaken
from dualtoken.auth_service.store import Added, Store
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE, HASH

pytestmark = EVERY_DATABASE

POLICY = RotationPolicy(refresh_ttl=7 * DAY, grace=0)
SUB = "google|a/b %2F é"


async def put(store: Store, sub: str, now: int = START_MS, **members: object) -> Credentials:
    """Make or replace an account."""
    change = Change(members, replaces=True)
    return (await store.edit_user(sub, lambda before: changed(before, sub, change, now), now=now)).after


async def test_an_account_is_what_the_edit_made_of_it(store: Store) -> None:
    """What was written is read; who does not exist is None before."""
    edited = await store.edit_user(SUB, lambda _: Credentials(User(SUB, "n", "", "", claims='{"a":1}'), None), now=1)

    assert (None, None, 0) == (edited.before, edited.reason, edited.ended)
    assert edited.after == await store.find_account(SUB)
    assert None is (await store.find_account(SUB) or edited.after).password_hash


async def test_an_account_without_password_is_found_by_its_name(store: Store) -> None:
    """It has no hash, and no text is its hash."""
    await put(store, SUB, username="n")
    found = await store.find_credentials("n")

    assert found is not None
    assert None is found.password_hash


async def test_accounts_are_added_in_bulk_and_no_other_is_touched(store: Store, user: User) -> None:
    """Who is there stays as it is, a name that another has is told, and of two in one batch the first counts."""

    def account(sub: str, name: str, scope: str = "") -> Credentials:
        return Credentials(User(sub, name, "", scope, None, '{"a":1}'), HASH)

    new = [account(f"n{number}", f"n{number}") for number in range(700)]
    others = [account(user.id, "other"), account("x", user.username), account("n1", "n1", "b"), account("y", "n1")]
    outcomes = await store.add_accounts([*new, *others], now=START_MS)

    assert [Added.NEW] * 700 + [Added.PRESENT, Added.NAME_TAKEN, Added.PRESENT, Added.NAME_TAKEN] == outcomes
    assert [new[1], Credentials(user, HASH)] == [await store.find_account(sub) for sub in ("n1", user.id)]
    assert [None, None] == [await store.find_account(sub) for sub in ("x", "y")]
    assert [Added.PRESENT] * 700 == await store.add_accounts(new, now=START_MS)


async def test_a_session_begins_without_a_password(store: Store, new_session: Session) -> None:
    """Where no password was asked for, the account need only be enabled."""
    user = (await put(store, SUB)).user
    begun = new_session._replace(user=user)
    await store.create_session(begun, verified_hash=None)
    await put(store, SUB, disabled=True)

    assert begun.id == (await store.find_session(begun.id) or new_session).id
    assert None is await store.create_session(begun._replace(id=new_session_id()), verified_hash=None)


async def test_a_name_is_one_accounts(store: Store, user: User) -> None:
    """Neither a new account nor another one gets it; nothing changes."""
    before = await put(store, SUB, username="n")
    for sub in (SUB, "another"):
        with pytest.raises(UsernameTaken):
            await put(store, sub, username=user.username)

    assert (before, None) == (await store.find_account(SUB), await store.find_account("another"))


async def test_what_an_edit_raises_changes_nothing(store: Store, session: Session) -> None:
    """Neither the account nor its sessions."""

    def refuse(_: object) -> Credentials:
        raise PreconditionFailed

    before = await store.find_account(session.user.id)
    with pytest.raises(PreconditionFailed):
        await store.edit_user(session.user.id, refuse, now=START_MS)
    with pytest.raises(PreconditionFailed):
        await store.erase_user(session.user.id, refuse, now=START_MS)

    assert before == await store.find_account(session.user.id)
    assert None is (await store.find_session(session.id) or session).revoked_at


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Change({"disabled": True}, replaces=False), RevocationReason.USER_DISABLED),
        (Change({}, replaces=False, sets_password=True, password_hash="other"), RevocationReason.PASSWORD_CHANGED),
        (Change({}, replaces=True, sets_password=True), RevocationReason.PASSWORD_CHANGED),
        (Change({}, replaces=False, sets_password=True, password_hash=HASH), None),
        (Change({"scope": "", "claims": '{"a":1}', "email": ""}, replaces=False), None),
    ],
)
async def test_what_ends_sessions_ends_them_with_the_change(
    store: Store, session: Session, change: Change, reason: RevocationReason | None
) -> None:
    """A disabled account, and another password; nothing else does."""
    sub, now = session.user.id, START_MS + 5
    edited = await store.edit_user(sub, lambda before: changed(before, sub, change, now), now=now)
    found = await store.find_session(session.id)

    assert (reason, 1 if reason else 0) == (edited.reason, edited.ended)
    assert found is not None
    assert (now if reason else None, reason) == (found.revoked_at, found.revoked_reason)


@pytest.mark.usefixtures("patient")
async def test_of_two_who_make_one_account_the_second_finds_it(store: Store, url: str) -> None:
    """At the same moment, over two connections: one makes it, the others change it, and none is told of a name."""
    async with open_store(url) as other:
        stores = [store, other] * 4
        edits = (
            each.edit_user(SUB, lambda before: changed(before, SUB, Change({"username": "n"}, replaces=True), 1), now=1)
            for each in stores
        )
        edited = await asyncio.gather(*edits)

    assert 1 == sum(each.before is None for each in edited)


@pytest.mark.usefixtures("patient")
async def test_concurrent_edits_lose_nothing(store: Store, url: str) -> None:
    """Each edit sees what the one before made: of twelve that append, all are there."""
    await put(store, SUB, scope="")

    def append(word: str) -> object:
        def edit(before: Credentials | None) -> Credentials:
            assert before is not None
            return before._replace(user=before.user._replace(scope=f"{before.user.scope} {word}".strip()))

        return edit

    async with open_store(url) as other:
        words = [f"w{number}" for number in range(12)]
        stores = [store, other] * 6
        await asyncio.gather(
            *(each.edit_user(SUB, append(word), now=1) for each, word in zip(stores, words, strict=True))  # type: ignore[arg-type]
        )
    found = await store.find_account(SUB)

    assert found is not None
    assert set(words) == set(found.user.scope.split())


async def test_accounts_are_paged(store: Store, user: User) -> None:
    """Every account comes once, in an order that another page goes on from; nobody's row is none."""
    subs = [f"s{number:02}" for number in range(7)]
    for sub in subs:
        await put(store, sub)
    await store.erase_user("s03", lambda _: None, now=START_MS)
    seen: list[str] = []
    while page := await store.list_accounts(after=seen[-1] if seen else "", limit=3):
        seen += [account.user.id for account in page]

    assert sorted([*subs, user.id]) == sorted([*seen, "s03"])


async def test_an_erased_account_leaves_nothing_personal(store: Store, url: str, new_session: Session) -> None:
    """No row holds its id, its name, its address, nor addresses and keys of its devices; verifiers hear of the end."""
    account = await put(store, SUB, username="lisi", email="lisi@example.org", claims='{"tenant":"acme"}')
    device = Device("Mozilla/5.0 (lisi)", "192.0.2.7")
    sessions = [
        new_session._replace(
            id=new_session_id(), user=account.user, client=device, claims='{"amr":["face"]}', jkt="thumb"
        )
        for _ in range(3)
    ]
    for session in sessions:
        await store.create_session(session, verified_hash=None)
    await store.revoke(sessions[0].id, RevocationReason.LOGOUT, now=START_MS + 1)
    ended = await store.erase_user(SUB, lambda _: None, now=START_MS + 2)
    told = {(entry.session_id, entry.reason) for entry in await store.revocations(since=0)}

    assert 2 == ended
    assert {(sessions[0].id, "logout"), *((each.id, "user_erased") for each in sessions[1:])} == told
    assert [] == [word for word in ("google", "lisi", "acme", "face", "thumb", "192.0.2.7") if word in await dump(url)]
    assert None is await store.find_account(SUB)
    assert None is await store.erase_user(SUB, lambda _: None, now=START_MS + 3)


async def dump(url: str) -> str:
    """Return all that the database holds in its tables, as text."""
    from sqlalchemy import select

    from dualtoken.auth_service.store.schema import sessions, users
    from dualtoken.auth_service.store.sql import open_database

    database = open_database(url)
    try:
        rows = await database.read(
            lambda connection: [tuple(row) for table in (users, sessions) for row in connection.execute(select(table))]
        )
    finally:
        await database.close()
    return repr(rows)


async def test_what_is_left_of_an_erased_account_goes_with_its_last_token(store: Store, new_session: Session) -> None:
    """The rows of its sessions go when no access token can live, not when the sessions would have ended."""
    account = await put(store, SUB)
    session = new_session._replace(user=account.user)
    await store.create_session(session, verified_hash=None)
    await store.erase_user(SUB, lambda _: None, now=START_MS)

    assert 0 == await store.delete_expired(before=START_MS, limit=10)
    assert 1 == await store.delete_expired(before=START_MS + 1, limit=10)


async def test_an_erased_sub_begins_anew(store: Store, new_session: Session) -> None:
    """Who is made under the same id has none of the old sessions, and their tokens stay dead."""
    account = await put(store, SUB)
    session = new_session._replace(user=account.user)
    await store.create_session(session, verified_hash=None)
    await store.erase_user(SUB, lambda _: None, now=START_MS)
    await put(store, SUB)
    [outcome] = await store.rotate([Presented(session.id, 0)], now=START_MS, policy=POLICY)

    assert Kind.REVOKED is outcome.kind
    assert [] == await store.list_sessions(SUB, now=START_MS, policy=POLICY)


@pytest.mark.usefixtures("patient")
async def test_no_session_slips_past_an_erasure(store: Store, url: str, new_session: Session) -> None:
    """Of log-ins at the moment of the erasure, each either came before and ended, or was refused."""
    account = await put(store, SUB)
    crowd = [new_session._replace(id=new_session_id(), user=account.user) for _ in range(12)]
    async with open_store(url) as other:
        opening = [store.create_session(each, verified_hash=None) for each in crowd]
        results = await asyncio.gather(*opening[:6], other.erase_user(SUB, lambda _: None, now=START_MS), *opening[6:])
    opened = [each.id for each, result in zip(crowd, results[:6] + results[7:], strict=True) if result is not None]
    found = [await store.find_session(id_) for id_ in opened]

    assert len(opened) == results[6]
    assert [] == [each for each in found if each is None or each.revoked_at is None]
