"""``POST /refresh``: each case of the rotation rule, over HTTP, and the ends of a session's life."""

import asyncio

import pytest

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, reason_of

DAY = 86_400


async def test_a_spent_token_ends_the_session(auth: Auth) -> None:
    """An old refresh token is refused as reused, and after that so is the newest, as revoked."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first)
    third = await auth.rotate(second)

    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(first))
    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(third))
    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(first))


async def test_an_ancient_replay_is_recognised(auth: Auth) -> None:
    """A spent token ends the session at any age."""
    first = (await auth.log_in())["refresh_token"]
    token = await auth.rotate(first)
    for _ in range(4):
        auth.clock.advance(6 * DAY)
        token = await auth.rotate(token)

    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(first))


async def test_a_revoked_session_stays_known_until_its_absolute_end(auth: Auth) -> None:
    """A session that ended by reuse is still revoked, not expired, when its idle time is over."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(await auth.rotate(first))
    await auth.refresh(first)
    auth.clock.advance(29 * DAY)

    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(first))


async def test_a_race_without_keys_gets_the_one_successor(auth: Auth) -> None:
    """Within the grace period, a client that sends no keys gets the successor that exists."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first)
    auth.clock.advance(30)

    assert second == await auth.rotate(first)


async def test_grace_ends(auth: Auth) -> None:
    """After AUTH_GRACE_S the predecessor is a replay."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(first)
    auth.clock.advance(30.001)

    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(first))


async def test_grace_may_be_switched_off(start_auth: StartAuth) -> None:
    """With AUTH_GRACE_S=0, even the next millisecond is too late."""
    auth = await start_auth(grace_s=0)
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(first)
    auth.clock.advance(0.001)

    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(first))


async def test_a_lost_answer_is_answered_again(auth: Auth) -> None:
    """The same Idempotency-Key gets the same successor, long after any grace."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first, "key-1")
    auth.clock.advance(6 * DAY)

    assert second == await auth.rotate(first, "key-1")


async def test_a_retry_does_not_lengthen_the_life_of_the_token(auth: Auth) -> None:
    """What a retry gets lives as long as what the lost answer held: its age counts from the rotation."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(first, "key-1")
    auth.clock.advance(6 * DAY)

    _, body = await auth.refresh(first, "key-1")

    assert 1 * DAY == body["refresh_expires_in"]


async def test_a_retry_ends_when_the_successor_was_used(auth: Auth) -> None:
    """Once the successor is spent, the old key opens nothing: that is a replay."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(await auth.rotate(first, "key-1"), "key-2")

    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(first, "key-1"))


@pytest.mark.parametrize(("first_key", "second_key"), [("key-1", "key-2"), ("key-1", None), (None, "key-2")])
async def test_a_missing_or_different_key_is_a_replay(
    auth: Auth, first_key: str | None, second_key: str | None
) -> None:
    """A client that sends keys has no theft window: another key, or none, ends the session at once."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(first, first_key)

    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(first, second_key))


async def test_a_rotation_forgotten_by_the_database_is_caught_up(auth: Auth) -> None:
    """After a restore that lost rotations, the newest token still rotates, and older ones are spent."""
    token = (await auth.log_in())["refresh_token"]
    for _ in range(3):
        previous, token = token, await auth.rotate(token)
    auth.sql("UPDATE sessions SET generation = 0")

    successor = await auth.rotate(token)

    assert [(4,)] == auth.sql("SELECT generation FROM sessions")
    assert successor != token
    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(previous))


async def test_parallel_presentations_get_one_successor(auth: Auth) -> None:
    """Of 64 parallel presentations of one token, one advances the session; all get the same successor."""
    token = (await auth.log_in())["refresh_token"]

    successors = await asyncio.gather(*(auth.rotate(token) for _ in range(64)))

    assert 1 == len(set(successors))
    assert [(1,)] == auth.sql("SELECT generation FROM sessions")


async def test_parallel_presentations_with_different_keys_end_the_session(auth: Auth) -> None:
    """Of parallel presentations with different keys at most one is granted, and the session ends."""
    token = (await auth.log_in())["refresh_token"]

    answers = await asyncio.gather(*(auth.refresh(token, f"key-{number}") for number in range(16)))

    assert 1 >= sum(status == 200 for status, _ in answers)
    assert [("reuse",)] == auth.sql("SELECT revoked_reason FROM sessions")


@pytest.mark.parametrize("days", [7, 29])
async def test_an_idle_session_expires(auth: Auth, days: int) -> None:
    """A refresh token that was not used for AUTH_REFRESH_TTL_S is expired."""
    token = (await auth.log_in())["refresh_token"]
    auth.clock.advance(days * DAY)

    assert (400, "invalid_grant", "expired") == reason_of(await auth.refresh(token))


async def test_a_refresh_token_lives_to_its_last_millisecond(auth: Auth) -> None:
    """A millisecond before its end, a refresh token is good."""
    token = (await auth.log_in())["refresh_token"]
    auth.clock.advance(7 * DAY - 0.001)

    assert 200 == (await auth.refresh(token))[0]


async def test_a_session_ends_at_its_absolute_end(auth: Auth) -> None:
    """However often it rotates, a session ends after AUTH_SESSION_TTL_S, and its tokens say so beforehand."""
    token = (await auth.log_in())["refresh_token"]
    for _ in range(4):
        auth.clock.advance(6 * DAY)
        token = await auth.rotate(token)
    auth.clock.advance(5 * DAY)
    _, body = await auth.refresh(token)

    assert 1 * DAY == body["refresh_expires_in"]
    auth.clock.advance(1 * DAY)
    assert (400, "invalid_grant", "expired") == reason_of(await auth.refresh(body["refresh_token"]))


async def test_a_session_that_is_gone_is_unknown(auth: Auth) -> None:
    """A good token of a session that the database does not know is unknown."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("DELETE FROM sessions")

    assert (400, "invalid_grant", "unknown") == reason_of(await auth.refresh(token))


async def test_a_disabled_users_session_is_revoked(auth: Auth) -> None:
    """A disabled user refreshes nothing."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("UPDATE users SET disabled_at = 1")

    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(token))


@pytest.mark.parametrize("order", [("owner", "thief"), ("thief", "owner")])
async def test_a_stolen_journal_is_found_at_the_owners_next_refresh(auth: Auth, order: tuple[str, str]) -> None:
    """Token and Idempotency-Key together are the owner's repetition, once; whoever comes second at the next is not."""
    first = (await auth.log_in())["refresh_token"]
    owners = await auth.rotate(first, "journalled")
    thiefs = await auth.rotate(first, "journalled")
    await auth.rotate(owners, order[0])

    assert owners == thiefs
    assert (400, "invalid_grant", "reused") == reason_of(await auth.refresh(thiefs, order[1]))
