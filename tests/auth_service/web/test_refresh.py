import asyncio

import pytest

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth, reason_of

DAY = 86_400


async def test_a_refresh_answers_a_new_pair(auth: Auth) -> None:
    """A refresh answers a fresh access token and the successor of the refresh token."""
    first = await auth.log_in()

    status, second = await auth.refresh(first["refresh_token"])

    assert 200 == status
    assert {"token_type", "access_token", "expires_in", "refresh_token", "refresh_expires_in", "scope"} == second.keys()
    assert first["refresh_token"] != second["refresh_token"]
    assert first["access_token"] != second["access_token"]
    assert (3600, 604_800) == (second["expires_in"], second["refresh_expires_in"])


async def test_the_answer_is_never_cached(auth: Auth) -> None:
    """An answer that carries a token says Cache-Control: no-store, and so does a refusal."""
    token = (await auth.log_in())["refresh_token"]

    granted = await auth.post("/refresh", {"refresh_token": token})
    refused = await auth.post("/refresh", {"refresh_token": "x"})

    assert ("no-store", "no-store") == (granted.headers["Cache-Control"], refused.headers["Cache-Control"])


async def test_the_form_of_rfc_6749_is_accepted(auth: Auth) -> None:
    """grant_type=refresh_token&refresh_token=… as a form is a refresh."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.post("/refresh", data={"grant_type": "refresh_token", "refresh_token": token})

    assert 200 == response.status


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "", "REFRESH_TOKEN"])
async def test_another_grant_type_is_unsupported(auth: Auth, grant_type: str) -> None:
    """Another grant type is 400 unsupported_grant_type, and spends nothing."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.post("/refresh", {"grant_type": grant_type, "refresh_token": token})

    assert (400, "unsupported_grant_type") == (response.status, (await response.json())["error"])
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


async def test_a_session_stays_one_row(auth: Auth) -> None:
    """Rotations update the session's row and insert none."""
    token = (await auth.log_in())["refresh_token"]
    for _ in range(20):
        token = await auth.rotate(token)

    assert [(1, 20)] == auth.sql("SELECT count(*), max(generation) FROM sessions")


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
    auth.clock.advance(10)

    assert second == await auth.rotate(first)


async def test_grace_ends(auth: Auth) -> None:
    """After AUTH_GRACE_S the predecessor is a replay."""
    first = (await auth.log_in())["refresh_token"]
    await auth.rotate(first)
    auth.clock.advance(10.001)

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


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "dtr1_",
        "dtr1_" + "A" * 56,
        "dtr1_" + "A" * 57,
        "dtr2_" + "A" * 56,
        "dtr1_" + "é" * 56,
        "\x00",
        "x" * 10_000,
        "dtr1_" + "A" * 56 + "\n",
    ],
)
async def test_what_was_never_issued_is_malformed(auth: Auth, token: str) -> None:
    """Anything that is no refresh token of this service is malformed."""
    assert (400, "invalid_grant", "malformed") == reason_of(await auth.refresh(token))


async def test_one_changed_character_is_malformed(auth: Auth) -> None:
    """The MAC covers every character of the token."""
    token = (await auth.log_in())["refresh_token"]
    changed = [
        token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :] for index in range(len(token))
    ]

    reasons = {reason_of(await auth.refresh(other)) for other in changed}

    assert {(400, "invalid_grant", "malformed")} == reasons
    assert [(0, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")


async def test_an_access_token_is_no_refresh_token(auth: Auth) -> None:
    """An access token used as a refresh token is malformed."""
    access = (await auth.log_in())["access_token"]

    assert (400, "invalid_grant", "malformed") == reason_of(await auth.refresh(access))


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 129, "tab\there"])
async def test_a_bad_idempotency_key_is_refused_and_spends_nothing(auth: Auth, key: str) -> None:
    """A key that is not 1 to 128 visible ASCII characters is 400 invalid_request, and the token is still good."""
    token = (await auth.log_in())["refresh_token"]

    assert (400, "invalid_request", None) == reason_of(await auth.refresh(token, key))
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


async def test_two_idempotency_keys_are_refused_and_spend_nothing(auth: Auth) -> None:
    """A request has one Idempotency-Key at most."""
    token = (await auth.log_in())["refresh_token"]
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    response = await auth.post("/refresh", {"refresh_token": token}, headers=headers)

    assert (400, "invalid_request") == (response.status, (await response.json())["error"])
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


@pytest.mark.parametrize("key", ["!", "~", "x" * 128, '"quoted"'])
async def test_idempotency_keys_of_visible_ascii_are_good(auth: Auth, key: str) -> None:
    """1 to 128 visible ASCII characters make a key."""
    first = (await auth.log_in())["refresh_token"]

    assert await auth.rotate(first, key) == await auth.rotate(first, key)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_tokens_never_travel_in_a_url(auth: Auth, method: str) -> None:
    """GET /refresh is 405 with Allow: POST."""
    token = (await auth.log_in())["refresh_token"]
    response = await auth.client.request(method, "/refresh", params={"refresh_token": token})

    assert (405, "POST") == (response.status, response.headers["Allow"])
    assert [(0,)] == auth.sql("SELECT generation FROM sessions")


async def test_a_database_that_does_not_answer_rotates_nothing(auth: Auth) -> None:
    """When the database cannot answer: 503 unavailable with Retry-After; later the same token is good."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("ALTER TABLE sessions RENAME TO away")
    response = await auth.post("/refresh", {"refresh_token": token})
    body = await response.json()
    auth.sql("ALTER TABLE away RENAME TO sessions")

    assert (503, "unavailable", "1") == (response.status, body["error"], response.headers["Retry-After"])
    assert "sessions" not in body["error_description"]
    assert 200 == (await auth.refresh(token))[0]


async def test_a_client_that_hangs_up_does_not_cut_a_rotation_in_half(auth: Auth) -> None:
    """A rotation that has begun is committed though its client went away, and its retry gets the successor."""
    token = (await auth.log_in())["refresh_token"]
    _, writer = await asyncio.open_connection(auth.client.host, auth.client.port)
    body = b'{"refresh_token": "%s"}' % token.encode()
    head = b"POST /refresh HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: key-1\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    successor = await auth.rotate(token, "key-1")

    assert [(1, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")
    assert 200 == (await auth.refresh(successor))[0]
