"""The names that cross the wire: whoever changes one breaks every client and every verifier."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from pydantic import SecretStr

from dualtoken.auth_service.keys.jwk_file import read_key_file
from dualtoken.auth_service.settings import Settings as AuthSettings
from dualtoken.client import ConfigurationError, MemoryStorage, RefreshRejected, TokenSource
from dualtoken.client.commands.account import DEFAULT_AUTH_URL
from dualtoken.resource_service.app import create_app
from dualtoken.resource_service.settings import Settings as ResourceSettings
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import PASSWORD, Auth
from tests.contract.conftest import ResourceServer

Service = TestClient | ClientSession


def part(token: str, index: int) -> dict[str, Any]:
    """Return the header (0) or the claims (1) of a JWT."""
    text = token.split(".")[index]
    return dict(json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))))


async def test_the_header_of_an_access_token(auth: Auth) -> None:
    """RFC 9068 §2.1: typ is at+jwt, and alg and kid are those of the first key."""
    header = part((await auth.log_in())["access_token"], 0)
    key = read_key_file(auth.settings.access_keys)[0]

    assert {"typ": "at+jwt", "alg": key["alg"], "kid": key["kid"]} == header


async def test_the_claims_of_an_access_token(auth: Auth) -> None:
    """The claims of RFC 9068 §2.2, the time and the way of the log-in, and sid, username and email beside them."""
    claims = part((await auth.log_in())["access_token"], 1)
    names = {"iss", "aud", "sub", "sid", "client_id", "iat", "exp", "jti", "scope", "username", "email"}

    assert names | {"auth_time", "amr"} == claims.keys()
    assert (auth.settings.issuer, auth.settings.audience) == (claims["iss"], claims["aud"])
    assert ("u-1", "zs", "zs@example.org", "read write") == (
        claims["sub"],
        claims["username"],
        claims["email"],
        claims["scope"],
    )
    # Both are whole seconds, which no life that is promised may be cut to.
    assert claims["exp"] - claims["iat"] in {3600, 3601}
    assert 22 == len(claims["sid"])


async def test_a_token_of_several_audiences_is_good_at_each(start_auth: StartAuth) -> None:
    """After a refresh as well; elsewhere it is refused, and introspection names them all."""
    names = ["https://a.example", "https://b.example"]
    auth = await start_auth(audience=" ".join(names), service_secret=SecretStr("s" * 32))
    token = (await auth.refresh((await auth.log_in())["refresh_token"]))[1]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    statuses = []
    for audience in (*names, "https://c.example"):
        settings = ResourceSettings(keys=auth.settings.access_keys, issuer=auth.settings.issuer, audience=(audience,))
        async with TestClient(ResourceServer(create_app(settings))) as resource:
            statuses.append((await resource.get("/home", headers=headers)).status)
    told = await auth.post("/introspect", {"token": token, "client_secret": "s" * 32})

    assert [200, 200, 401] == statuses
    assert names == (await told.json())["aud"]


def test_both_sides_know_the_auth_service_by_one_address() -> None:
    """``login --bind`` works without any setting: a proof names the address, and it must be the issuer."""
    assert AuthSettings.model_fields["issuer"].default == DEFAULT_AUTH_URL


TOKEN_MEMBERS = ["token_type", "access_token", "expires_in", "refresh_token", "refresh_expires_in", "scope"]


async def test_the_members_of_a_token_answer(auth: Auth) -> None:
    """A log-in and a refresh answer the same members; the log-in says who the user is as well."""
    first = await auth.log_in()
    _, second = await auth.refresh(first["refresh_token"])

    assert [*TOKEN_MEMBERS, "userInfo"] == list(first)
    assert ["username", "email"] == list(first["userInfo"])
    assert TOKEN_MEMBERS == list(second)


async def test_the_session_stays_the_same(auth: Auth) -> None:
    """The claim sid names the session through every refresh; jti names each token."""
    first = await auth.log_in()
    _, second = await auth.refresh(first["refresh_token"])
    before, after = part(first["access_token"], 1), part(second["access_token"], 1)

    assert before["sid"] == after["sid"]
    assert before["jti"] != after["jti"]


async def test_what_one_service_mints_the_other_verifies(auth: Auth, resource: ClientSession) -> None:
    """The resource service answers /home from the claims of a token of the auth service."""
    token = (await auth.log_in())["access_token"]
    response = await resource.get("/home", headers={"Authorization": f"Bearer {token}"})
    body = await response.json()
    claims = part(token, 1)

    assert ["status", "message", "data"] == list(body)
    assert {name: claims[name] for name in ("username", "email", "sub", "sid", "scope", "iat", "exp")} == body["data"]


async def test_a_refresh_token_opens_no_resource(auth: Auth, resource: ClientSession) -> None:
    """A refresh token used as an access token is invalid_token."""
    token = (await auth.log_in())["refresh_token"]
    response = await resource.get("/home", headers={"Authorization": f"Bearer {token}"})

    assert 401 == response.status
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert 'error_description="invalid"' in response.headers["WWW-Authenticate"]


@pytest.fixture(params=["auth", "resource"])
def service(request: pytest.FixtureRequest, auth: Auth, resource: ClientSession) -> Service:
    """Each of the two services."""
    return auth.client if request.param == "auth" else resource


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("PUT", "/health/live", 405, "method_not_allowed")],
)
async def test_both_services_have_one_error_shape(
    service: Service, method: str, path: str, status: int, code: str
) -> None:
    """Errors that no handler made have the same codes and the same two members in both services."""
    response = await service.request(method, path)
    body = await response.json()

    assert (status, code) == (response.status, body["error"])
    assert ["error", "error_description"] == list(body)
    assert isinstance(body["error_description"], str)


async def test_a_405_names_the_methods_in_both_services(service: Service) -> None:
    """RFC 9110 §15.5.6: a 405 carries Allow."""
    response = await service.put("/health/live")

    assert "GET" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "status", "error", "members"),
    [
        ({"refresh_token": "x"}, 400, "invalid_grant", ["error", "error_description", "reason"]),
        ({"refresh_token": 7}, 400, "invalid_request", ["error", "error_description"]),
        ({"refresh_token": "x", "grant_type": "y"}, 400, "unsupported_grant_type", ["error", "error_description"]),
    ],
)
async def test_the_members_of_a_refusal(
    auth: Auth, body: dict[str, object], status: int, error: str, members: list[str]
) -> None:
    """A refused refresh has a code, a description, and a reason where the grant is refused."""
    response = await auth.post("/refresh", body)
    answer = await response.json()

    assert (status, error, members) == (response.status, answer["error"], list(answer))


async def test_the_body_of_liveness(service: Service) -> None:
    """Both services say live in one way."""
    response = await service.get("/health/live")

    assert (200, {"status": "live"}) == (response.status, await response.json())


async def test_the_body_of_readiness(service: Service) -> None:
    """Both services say ready, and what they looked at."""
    response = await service.get("/health/ready")
    body = await response.json()

    assert (200, "ready") == (response.status, body["status"])
    assert ["status", "checks"] == list(body)[:2]
    assert {True} == set(body["checks"].values())


async def test_the_body_of_missing_readiness(auth: Auth) -> None:
    """A service that is not ready is 503, says unready, and names what is missing."""
    auth.sql("ALTER TABLE sessions RENAME TO away")
    response = await auth.client.get("/health/ready")

    assert 503 == response.status
    assert {"status": "unready", "checks": {"database": False}} == await response.json()


async def test_a_password_never_comes_back(auth: Auth) -> None:
    """No answer to a log-in holds the password."""
    good = await auth.post("/login", {"username": "zs", "password": PASSWORD})
    bad = await auth.post("/login", {"username": PASSWORD, "password": PASSWORD})

    assert PASSWORD not in await good.text() + await bad.text()


async def test_a_client_asks_for_less_at_each_refresh(auth: Auth) -> None:
    """The access token is narrowed, the session is not (RFC 6749 §6); more than it has is refused, and ends nothing."""
    url, storage = auth.client.make_url("/"), MemoryStorage()
    async with TokenSource(url, storage=storage, scope="read") as narrow:
        first = await narrow.login("zs", PASSWORD)
        second = await narrow.token(rejected=first.access_token)
    async with TokenSource(url, storage=storage, scope="read admin") as wide:
        with pytest.raises(RefreshRejected, match="not all of the scope"):
            await wide.token(rejected=second)
    async with TokenSource(url, storage=storage) as whole:
        third = await whole.token(rejected=second)

    assert ["read write", "read", "read write"] == [
        part(token, 1)["scope"] for token in (first.access_token, second, third)
    ]


@pytest.mark.parametrize("scope", ["", " ", "read  write", " read", 'a"b', "a\\b", "a\nb", "é"])
def test_a_scope_that_is_none_is_told_at_once(scope: str) -> None:
    """RFC 6749 §3.3 says what one is."""
    with pytest.raises(ConfigurationError, match="scope must be"):
        TokenSource("http://127.0.0.1", scope=scope)
