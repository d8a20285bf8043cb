from typing import Any
from urllib.parse import quote_plus

import pytest
from aiohttp import encode_basic_auth
from pydantic import SecretStr

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import START_MS, Auth

SECRET = "a secret + 100% of 32 characters"
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


async def test_a_refresh_token_is_never_active(auth: Auth) -> None:
    """Neither the one that rotates next nor a spent one, with any hint; looking spends nothing and ends nothing."""
    first = (await auth.log_in())["refresh_token"]
    second = await auth.rotate(first)
    headers = {"Authorization": f"Bearer {SECRET}"}
    hinted = await auth.post("/introspect", {"token": second, "token_type_hint": "refresh_token"}, headers=headers)

    assert [INACTIVE] * 3 == [await introspect(auth, first), await introspect(auth, second), await hinted.json()]
    assert 200 == (await auth.refresh(second))[0]


def basic(password: str) -> dict[str, str]:
    """Return the header of HTTP Basic, as a gateway called ``gw`` sends it."""
    return {"Authorization": encode_basic_auth("gw", password)}


@pytest.mark.parametrize(
    ("headers", "members"),
    [
        (basic(SECRET), {}),
        (basic(quote_plus(SECRET)), {}),
        ({}, {"client_secret": SECRET}),
        ({}, {"client_secret": SECRET, "client_id": "gw"}),
        (basic(SECRET), {"client_secret": "", "client_id": "gw"}),
        ({"Authorization": basic(SECRET)["Authorization"].replace(" ", "  ")}, {}),
    ],
)
@pytest.mark.parametrize("kind", ["data", "json"])
async def test_the_secret_comes_as_gateways_send_it(
    auth: Auth, headers: dict[str, str], members: dict[str, str], kind: str
) -> None:
    """As the password of HTTP Basic, encoded (RFC 6749 §2.3.1) or as it is, or as a member of the body."""
    body = {"token": (await auth.log_in())["access_token"], **members}
    response = await auth.client.post("/introspect", headers=headers, **{kind: body})

    assert 200 == response.status
    assert (await response.json())["active"]


@pytest.mark.parametrize(
    ("headers", "members"),
    [
        (basic("x" * 32), {}),
        (basic(""), {}),
        ({"Authorization": "Basic ?"}, {}),
        ({"Authorization": "Basic"}, {}),
        ({"Authorization": "Basic eDp4\xff"}, {}),
        ({"Authorization": "basic /w=="}, {}),
        ({}, {"client_secret": ""}),
        ({}, {"client_secret": quote_plus(SECRET)}),
    ],
)
async def test_a_wrong_secret_is_no_client(auth: Auth, headers: dict[str, str], members: dict[str, str]) -> None:
    """401 invalid_client with a challenge of the scheme that was tried (RFC 6749 §5.2), and the refusal's event."""
    token = (await auth.log_in())["access_token"]
    response = await auth.post("/introspect", {"token": token, **members}, headers=headers)

    assert (401, "invalid_client") == (response.status, (await response.json())["error"])
    assert 'Basic realm="https://auth.example"' == response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("headers", [basic(SECRET), {"Authorization": f"Bearer {SECRET}"}])
async def test_the_secret_comes_once(auth: Auth, headers: dict[str, str]) -> None:
    """RFC 6749 §2.3: one method for each request."""
    response = await auth.post("/introspect", {"token": "x", "client_secret": SECRET}, headers=headers)

    assert (400, "invalid_request") == (response.status, (await response.json())["error"])


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
