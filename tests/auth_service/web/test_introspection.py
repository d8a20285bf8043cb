from typing import Any

import pytest
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import START_MS, Auth

SECRET = "0123456789abcdef0123456789abcdef"
INACTIVE = {"active": False}


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service with a service secret."""
    return await start_auth(service_secret=SecretStr(SECRET))


async def introspect(auth: Auth, token: str) -> dict[str, Any]:
    """Return what a gateway is told of a token."""
    response = await auth.post("/introspect", data={"token": token}, headers={"Authorization": f"Bearer {SECRET}"})
    assert 200 == response.status
    return dict(await response.json())


async def test_a_live_access_token_shows_its_claims(auth: Auth) -> None:
    """RFC 7662 §2.2: active, and the claims of the token."""
    tokens = await auth.log_in()
    answer = await introspect(auth, tokens["access_token"])

    assert (True, "Bearer", "zs", "u-1", "read write") == (
        answer["active"],
        answer["token_type"],
        answer["username"],
        answer["sub"],
        answer["scope"],
    )
    assert START_MS // 1000 + 3600 == answer["exp"]


async def test_a_live_refresh_token_is_active(auth: Auth) -> None:
    """The refresh token that rotates next is active until its idle time is over; looking does not spend it."""
    token = (await auth.log_in())["refresh_token"]
    answer = await introspect(auth, token)

    assert (True, "zs", START_MS // 1000 + 604_800) == (answer["active"], answer["username"], answer["exp"])
    assert 200 == (await auth.refresh(token))[0]


async def test_a_spent_refresh_token_is_inactive(auth: Auth) -> None:
    """A token that was rotated is inactive, and to look at it is no replay."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first)

    assert INACTIVE == await introspect(auth, first)
    assert 200 == (await auth.refresh(second))[0]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("end", ["logout", "disabled", "expired", "deleted"])
async def test_a_token_of_a_session_that_ended_is_inactive(auth: Auth, kind: str, end: str) -> None:
    """An inactive token answers active false and nothing else, whatever ended it."""
    tokens = await auth.log_in()
    match end:
        case "logout":
            await auth.post("/logout", {"token": tokens["refresh_token"]})
        case "disabled":
            auth.sql("UPDATE users SET disabled_at = 1")
        case "expired":
            auth.clock.advance(604_800)
        case "deleted":
            auth.sql("DELETE FROM sessions")

    assert INACTIVE == await introspect(auth, tokens[kind])


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "dtr1_" + "A" * 56, "é\x00", "x" * 10_000])
async def test_anything_else_is_inactive(auth: Auth, token: str) -> None:
    """What is no token of this service is inactive."""
    assert INACTIVE == await introspect(auth, token)


async def test_a_token_is_needed(auth: Auth) -> None:
    """Without a token: 400 invalid_request."""
    response = await auth.post("/introspect", {}, headers={"Authorization": f"Bearer {SECRET}"})

    assert (400, "invalid_request") == (response.status, (await response.json())["error"])
