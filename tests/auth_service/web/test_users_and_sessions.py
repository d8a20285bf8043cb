"""What a change of a user does to the user's sessions and tokens."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.foreign_hashes import DJANGO, FOREIGN_PASSWORD
from tests.auth_service.running import PASSWORD, Auth, reason_of
from tests.auth_service.web.backend_calls import (
    BACKEND_SECRET,
    SERVICE_SECRET,
    SUB,
    Answer,
    call,
    logs_in,
    path_of,
    put,
)
from tests.auth_service.web.test_claims import claims_in

HASH = "SELECT password_hash FROM users WHERE username = 'ls'"


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with both secrets."""
    return await start_auth(backend_secret=SecretStr(BACKEND_SECRET), service_secret=SecretStr(SERVICE_SECRET))


async def with_session(auth: Auth) -> dict[str, Any]:
    """Make the user, and log in."""
    await put(auth, username="lisi", scope="read", password=PASSWORD)
    return await auth.log_in("lisi")


async def reasons(auth: Auth) -> list[str]:
    """Return the reasons that the feed tells."""
    response = await auth.client.get("/revocations", headers={"Authorization": f"Bearer {SERVICE_SECRET}"})
    return [entry["reason"] for entry in (await response.json())["revoked"]]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda auth: call(auth, "PATCH", path_of(SUB), {"disabled": True}), "user_disabled"),
        (lambda auth: call(auth, "PATCH", path_of(SUB), {"password": f"{PASSWORD} 2"}), "password_changed"),
        (lambda auth: call(auth, "PATCH", path_of(SUB), {"password": None}), "password_changed"),
        (lambda auth: call(auth, "DELETE", path_of(SUB)), "user_erased"),
    ],
)
async def test_what_ends_sessions_is_told_by_the_feed(auth: Auth, change: Callable[[Auth], Any], reason: str) -> None:
    """Before the answer, the refresh token is dead, the access token opens nothing here, and verifiers hear of it."""
    tokens = await with_session(auth)
    answer: Answer = await change(auth)
    own = await auth.client.get("/sessions", headers={"Authorization": f"Bearer {tokens['access_token']}"})

    assert answer.status in {200, 204}
    assert (400, "invalid_grant", "revoked") == reason_of(await auth.refresh(tokens["refresh_token"]))
    assert 401 == own.status
    assert [reason] == await reasons(auth)


async def test_a_repeated_put_ends_nothing(auth: Auth) -> None:
    """The same call once more changes nothing: not the entity tag, and not the sessions, though it has the password."""
    members = {"username": "lisi", "scope": "read", "password": PASSWORD}
    tokens = await with_session(auth)
    before = (await call(auth, "GET", path_of(SUB))).headers["ETag"]
    again = await put(auth, **members)

    assert (200, before) == (again.status, again.headers["ETag"])
    assert 200 == (await auth.refresh(tokens["refresh_token"]))[0]


async def test_a_hash_that_comes_again_ends_nothing(auth: Auth) -> None:
    """A log-in has made it argon2id meanwhile: whoever tells of all users each night logs nobody out."""
    user = {"username": "ls", "password_hash": DJANGO["pbkdf2_sha256"]}
    await put(auth, SUB, **user)
    tokens = await auth.log_in("ls", FOREIGN_PASSWORD)
    raised = auth.sql(HASH)
    for method in ("PUT", "PATCH"):
        assert 200 == (await call(auth, method, path_of(SUB), user)).status
    same = await call(auth, "PATCH", path_of(SUB), {"password": FOREIGN_PASSWORD})

    assert "$argon2id$" in raised[0][0]
    assert (200, raised) == (same.status, auth.sql(HASH))
    assert 200 == (await auth.refresh(tokens["refresh_token"]))[0]


async def test_a_hash_of_before_is_another_password(auth: Auth) -> None:
    """Once the password has been changed, the first one is a change again."""
    first, second = ({"password_hash": DJANGO[kind]} for kind in ("pbkdf2_sha256", "bcrypt"))
    await put(auth, SUB, username="ls", **first)
    tokens = await auth.log_in("ls", FOREIGN_PASSWORD)
    await call(auth, "PATCH", path_of(SUB), second)
    assert 400 == (await auth.refresh(tokens["refresh_token"]))[0]
    tokens = await auth.log_in("ls", FOREIGN_PASSWORD)
    await call(auth, "PATCH", path_of(SUB), first)

    assert 400 == (await auth.refresh(tokens["refresh_token"]))[0]
    assert [(first["password_hash"],)] == auth.sql(HASH)


async def test_a_session_tells_what_was_changed(auth: Auth) -> None:
    """From the next refresh on: name, address, scope and claims."""
    tokens = await with_session(auth)
    change = {"username": "li4", "email": "l@example.org", "scope": "read write", "claims": {"tenant": "acme"}}
    await call(auth, "PATCH", path_of(SUB), change)
    _, refreshed = await auth.refresh(tokens["refresh_token"])
    claims = claims_in(refreshed)

    assert ("li4", "l@example.org", "read write", "acme") == tuple(
        claims[name] for name in ("username", "email", "scope", "tenant")
    )


async def test_a_token_of_a_user_without_address_has_none(auth: Auth) -> None:
    """An empty claim would be refused by verifiers."""
    assert "email" not in claims_in(await with_session(auth))


async def test_an_erased_user_leaves_nothing(auth: Auth) -> None:
    """Neither the file of the database nor an answer knows the name, the address or the id; the name is free again."""
    await put(auth, username="lisi", email="lisi@example.org", password=PASSWORD)
    await auth.log_in("lisi")
    erased = await call(auth, "DELETE", path_of(SUB))
    auth.sql("VACUUM")
    auth.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    held = auth.database.read_bytes()

    assert 204 == erased.status
    assert [] == [word for word in (b"lisi", SUB.encode(), b"google") if word in held]
    assert not await logs_in(auth, "lisi")
    assert (404, "unknown_user") == (await call(auth, "DELETE", path_of(SUB))).error
    assert 201 == (await put(auth, "another", username="lisi")).status
