"""``scope`` at a refresh narrows the access token of that answer (RFC 6749 §6)."""

from typing import Any

import pytest

from tests.auth_service.running import Auth, reason_of
from tests.auth_service.web.test_claims import claims_in

Answer = tuple[int, dict[str, Any]]


async def refresh(auth: Auth, token: str, scope: object, key: str | None = None, **options: Any) -> Answer:
    """Present a refresh token and ask for a scope."""
    headers = {} if key is None else {"Idempotency-Key": key}
    response = await auth.post("/refresh", {"refresh_token": token, "scope": scope}, headers=headers, **options)
    return response.status, dict(await response.json())


def scopes(answer: Answer) -> tuple[str, str]:
    """Return the scope that a granted answer says, and that of its access token."""
    assert 200 == answer[0], answer
    return answer[1]["scope"], claims_in(answer[1])["scope"]


@pytest.mark.parametrize(
    ("asked", "granted"), [("read", "read"), ("write", "write"), ("write read", "read write"), ("", "read write")]
)
async def test_a_subset_narrows_one_access_token(auth: Auth, asked: str, granted: str) -> None:
    """The answer says so; the next refresh without a scope has all of it again."""
    narrow = await refresh(auth, (await auth.log_in())["refresh_token"], asked)
    wide = await auth.refresh(narrow[1]["refresh_token"])

    assert (granted, granted) == scopes(narrow)
    assert ("read write", "read write") == scopes(wide)


@pytest.mark.parametrize("asked", ["admin", "read admin", "Read", "read  write", " ", "read\twrite", 'r"'])
async def test_more_than_the_session_has_is_refused(auth: Auth, asked: str) -> None:
    """400 invalid_scope, and the refresh token is as good as before."""
    token = (await auth.log_in())["refresh_token"]
    refused = await refresh(auth, token, asked, "key")

    assert (400, "invalid_scope", None) == reason_of(refused)
    assert 200 == (await auth.refresh(token, "another"))[0]


async def test_a_scope_of_another_type_is_no_request(auth: Auth) -> None:
    """It is a text."""
    token = (await auth.log_in())["refresh_token"]

    assert (400, "invalid_request", None) == reason_of(await refresh(auth, token, ["read"]))


async def test_a_retry_may_ask_for_another_scope(auth: Auth) -> None:
    """The successor is the same; the access token is minted afresh, for what this request asks."""
    token = (await auth.log_in())["refresh_token"]
    first, second = await refresh(auth, token, "read", "key"), await refresh(auth, token, "write", "key")

    assert first[1]["refresh_token"] == second[1]["refresh_token"]
    assert [("read", "read"), ("write", "write")] == [scopes(first), scopes(second)]


async def test_a_spent_token_ends_its_session_whatever_it_asks_for(auth: Auth) -> None:
    """A replay is found out although its scope is refused, too."""
    token = (await auth.log_in())["refresh_token"]
    newest = await auth.rotate(await auth.rotate(token, "one"), "two")
    replayed = await refresh(auth, token, "admin", "three")

    assert (400, "invalid_grant", "reused") == reason_of(replayed)
    assert (400, "invalid_grant", "revoked") == reason_of(await refresh(auth, newest, "admin"))


async def test_a_scope_that_the_user_lost_is_not_granted(auth: Auth) -> None:
    """What counts is the user's scope at the refresh."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("UPDATE users SET scope = 'read'")

    assert (400, "invalid_scope", None) == reason_of(await refresh(auth, token, "write"))
    assert ("read", "read") == scopes(await auth.refresh(token))


async def test_a_scope_that_is_lost_during_the_refresh_is_not_granted(
    auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token is narrowed to what stands in the database when it rotates, not when the request was looked at."""
    from dualtoken.auth_service.web.app_keys import SESSIONS

    token = (await auth.log_in())["refresh_token"]
    sessions = auth.client.app[SESSIONS]
    checked = sessions._require_scope

    async def then_lost(*args: Any) -> None:
        await checked(*args)
        auth.sql("UPDATE users SET scope = 'read'")

    monkeypatch.setattr(sessions, "_require_scope", then_lost)

    assert ("read", "read") == scopes(await refresh(auth, token, "read write"))


async def test_a_session_is_never_allowed_more_than_its_limit(auth: Auth) -> None:
    """A session that began with less than its user's scope keeps to it, and loses what the user loses."""
    token = (await auth.log_in())["refresh_token"]
    auth.sql("UPDATE sessions SET scope = 'write read'")
    auth.sql("UPDATE users SET scope = 'read write admin'")
    wide = await auth.refresh(token)
    refused = await refresh(auth, wide[1]["refresh_token"], "admin")
    auth.sql("UPDATE users SET scope = 'read admin'")

    assert ("read write", "read write") == scopes(wide)
    assert (400, "invalid_scope", None) == reason_of(refused)
    assert ("read", "read") == scopes(await auth.refresh(wide[1]["refresh_token"]))
