"""Cross-origin calls: exact origins only, with credentials, in both services alike."""

import pytest
from aiohttp import ClientSession

from auth_service.errors import StartupError
from auth_service.settings import load_settings as load_auth_settings
from resource_service.errors import StartProblem
from resource_service.settings import load_settings as load_resource_settings
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth

ORIGIN = "https://app.example"
OTHERS = [
    "https://evil.example",
    "https://app.example.evil.example",
    "http://app.example",
    "null",
    "https://APP.example",
]
ALLOW_ORIGIN, ALLOW_CREDENTIALS = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """An auth service that allows one origin."""
    return await start_auth(cors_origins=(ORIGIN,))


def preflight(origin: str, method: str, headers: str) -> dict[str, str]:
    """Return what a browser asks before a call."""
    return {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}


CALLS = {
    "/login": ("POST", "Content-Type"),
    "/refresh": ("POST", "Content-Type, Idempotency-Key, traceparent"),
    "/logout": ("POST", "Content-Type"),
    "/home": ("GET", "Authorization, traceparent, tracestate"),
}


@pytest.mark.parametrize(("path", "call"), CALLS.items())
async def test_a_configured_origin_may_call(
    auth: Auth, resource: ClientSession, path: str, call: tuple[str, str]
) -> None:
    """The preflight names the exact origin, never *, and allows credentials, the method and the headers."""
    method, headers = call
    client = resource if path == "/home" else auth.client
    response = await client.options(path, headers=preflight(ORIGIN, method, headers))
    allowed = response.headers.get("Access-Control-Allow-Headers", "").lower()

    assert 200 == response.status
    assert (ORIGIN, "true") == (response.headers[ALLOW_ORIGIN], response.headers[ALLOW_CREDENTIALS])
    assert method in response.headers["Access-Control-Allow-Methods"]
    assert [] == [name for name in headers.lower().split(", ") if name not in allowed]


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize(("path", "call"), CALLS.items())
async def test_no_other_origin_may_call(
    auth: Auth, resource: ClientSession, path: str, call: tuple[str, str], origin: str
) -> None:
    """The preflight of any other origin is refused, and its calls are answered without leave to read them."""
    method, headers = call
    client = resource if path == "/home" else auth.client
    refused = await client.options(path, headers=preflight(origin, method, headers))
    answered = await client.request(method, path, headers={"Origin": origin})

    assert 403 == refused.status
    assert not {ALLOW_ORIGIN, ALLOW_CREDENTIALS} & (refused.headers.keys() | answered.headers.keys())


async def test_a_configured_origin_may_read_errors(auth: Auth, resource: ClientSession) -> None:
    """Errors carry the leave to read them as well: a page must see why it was refused, and when to come back."""
    refused = await auth.post("/refresh", {"refresh_token": "x"}, headers={"Origin": ORIGIN})
    unauthorized = await resource.get("/home", headers={"Origin": ORIGIN})

    assert [(400, ORIGIN), (401, ORIGIN)] == [
        (response.status, response.headers[ALLOW_ORIGIN]) for response in (refused, unauthorized)
    ]
    assert all("WWW-Authenticate" in each.headers["Access-Control-Expose-Headers"] for each in (refused, unauthorized))
    assert all("X-Request-Id" in each.headers["Access-Control-Expose-Headers"] for each in (refused, unauthorized))
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]


async def test_no_origin_is_allowed_by_default(start_auth: StartAuth) -> None:
    """Without configuration, no page of another origin may call."""
    plain = await start_auth()
    response = await plain.post("/refresh", {"refresh_token": "x"}, headers={"Origin": ORIGIN})
    asked = await plain.client.options("/refresh", headers=preflight(ORIGIN, "POST", "Content-Type"))

    assert (400, 405) == (response.status, asked.status)
    assert ALLOW_ORIGIN not in response.headers
    assert ALLOW_ORIGIN not in asked.headers


@pytest.mark.parametrize(
    "origins", ["*", "https://app.example,*", "https://*.example", "https://app.example/", "app.example", "null"]
)
def test_both_services_refuse_what_is_no_exact_origin(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    """A star, a pattern, a path, a bare host: neither service starts, and the setting is named."""
    monkeypatch.setenv("AUTH_CORS_ORIGINS", origins)
    monkeypatch.setenv("RESOURCE_CORS_ORIGINS", origins)
    with pytest.raises(StartupError, match="AUTH_CORS_ORIGINS"):
        load_auth_settings()
    with pytest.raises(StartProblem, match="RESOURCE_CORS_ORIGINS"):
        load_resource_settings()
