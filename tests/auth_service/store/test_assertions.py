"""Assertions that open sessions, on a real database."""

import asyncio

import pytest

from dualtoken.auth_service.domain.models import Credentials, Device, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import RotationPolicy
from dualtoken.auth_service.errors import InvalidScope, UserDisabled, UsernameTaken
from dualtoken.auth_service.grant_errors import InvalidAssertion
from dualtoken.auth_service.store import SessionLimit, SpentAssertion, Store
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, EVERY_DATABASE

pytestmark = EVERY_DATABASE

SUB = "https://issuer.example|7"
NEW = Credentials(User(SUB, "seven", "", "read"), None)


def a_session(sub: str = SUB) -> Session:
    """Return a session to open."""
    user = User(sub, "", "", "")
    return Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + DAY, client=Device("", "::1"))


async def open_one(store: Store, digest: str, account: Credentials = NEW, limit: SessionLimit | None = None) -> Session:
    """Open a session by an assertion; *account* is of a user who is not there."""
    session = a_session(account.user.id)
    spent = SpentAssertion(digest, START_MS)
    await store.open_by_assertion(session, spent, lambda found: found or account, limit=limit)
    return session


async def test_a_session_is_opened_for_a_user_who_is_made(store: Store) -> None:
    """The user, the session and the assertion: all three."""
    session = await open_one(store, "a")
    found = await store.find_session(session.id)

    assert NEW == await store.find_account(SUB)
    assert (NEW.user, "::1") == (found and found.user, found and found.client.ip)


@pytest.mark.usefixtures("patient")
async def test_across_replicas_an_assertion_is_spent_once(store: Store, url: str) -> None:
    """Of many at once one opens a session; the user is made once."""
    async with open_store(url) as other:
        attempts = [open_one(each, "a") for _ in range(8) for each in (store, other)]
        ended = await asyncio.gather(*attempts, return_exceptions=True)
    opened = [each for each in ended if isinstance(each, Session)]
    refused = [each.reason for each in ended if isinstance(each, InvalidAssertion)]

    assert (1, ["replayed"] * 15) == (len(opened), refused)
    assert "replayed" == (await _refusal(store, "a")).reason


@pytest.mark.usefixtures("patient")
async def test_first_assertions_of_one_user_at_once_are_all_good(store: Store, url: str) -> None:
    """Whoever comes second finds the user made."""
    async with open_store(url) as other:
        sessions = await asyncio.gather(
            *(open_one(each, f"{number}") for number, each in enumerate([store, other] * 8))
        )

    assert 16 == len({session.id for session in sessions})
    assert NEW == await store.find_account(SUB)


async def _refusal(store: Store, digest: str) -> InvalidAssertion:
    with pytest.raises(InvalidAssertion) as caught:
        await open_one(store, digest)
    return caught.value


async def test_what_is_refused_leaves_everything_as_it_was(store: Store, user: User) -> None:
    """A name that is taken, a user who is disabled, a refusal of the caller's: the assertion is good afterwards."""

    def refuse(_found: Credentials | None) -> Credentials:
        raise InvalidScope

    with pytest.raises(UsernameTaken):
        await open_one(store, "a", NEW._replace(user=NEW.user._replace(username=user.username)))
    with pytest.raises(InvalidScope):
        await store.open_by_assertion(a_session(), SpentAssertion("a", START_MS), refuse)
    nobody = await store.find_account(SUB)
    await open_one(store, "b")
    await store.set_disabled("seven", disabled=True, now=START_MS)
    with pytest.raises(UserDisabled):
        await open_one(store, "a")
    await store.set_disabled("seven", disabled=False, now=START_MS)

    assert None is nobody
    assert await open_one(store, "a")


async def test_a_user_has_no_more_sessions_than_allowed(store: Store) -> None:
    """As at a log-in."""
    limit = SessionLimit(1, RotationPolicy(refresh_ttl=DAY, grace=0))
    first = await open_one(store, "a", limit=limit)
    ended = await store.open_by_assertion(a_session(), SpentAssertion("b", START_MS), lambda _: NEW, limit=limit)

    assert [first.id] == ended


async def test_assertions_are_forgotten_once_they_have_expired(store: Store) -> None:
    """Not a moment sooner, and no more at once than was asked for."""
    for digest in "abc":
        await open_one(store, digest)
    counts = [
        await store.delete_spent_assertions(before=before, limit=2)
        for before in (START_MS, START_MS + 1, START_MS + 1, START_MS + 1)
    ]

    assert [0, 2, 1, 0] == counts
    assert await open_one(store, "a")
