"""Cross-origin calls: exact origins only, with credentials, in both services alike."""

import pytest
from aiohttp import ClientSession

from dualtoken.auth_service.settings import load_settings as load_auth_settings
from dualtoken.resource_service.settings import load_settings as load_resource_settings
from dualtoken_serving.errors import StartProblem
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
    "/login": ("POST", "Content-Type, DPoP"),
    "/refresh": ("POST", "Content-Type, DPoP, Idempotency-Key, traceparent"),
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
    assert path == "/home" or 403 == answered.status
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
    assert {"Retry-After", "DPoP-Nonce"} <= set(refused.headers["Access-Control-Expose-Headers"].split(","))


async def test_no_origin_is_allowed_by_default(start_auth: StartAuth) -> None:
    """Without configuration, no page of another origin may call."""
    plain = await start_auth()
    response = await plain.post("/refresh", {"refresh_token": "x"}, headers={"Origin": ORIGIN})
    asked = await plain.client.options("/refresh", headers=preflight(ORIGIN, "POST", "Content-Type"))

    assert (403, 405) == (response.status, asked.status)
    assert ALLOW_ORIGIN not in response.headers
    assert ALLOW_ORIGIN not in asked.headers


SPELLINGS = {
    "https://app.example": "https://app.example",
    "HTTPS://App.Example:443/": "https://app.example",
    "http://localhost:80": "http://localhost",
    "http://localhost:8003": "http://localhost:8003",
    "https://app.example:08443": "https://app.example:8443",
    "https://bücher.example": "https://xn--bcher-kva.example",
    "https://BÜCHER.example": "https://xn--bcher-kva.example",
    "https://faß.example": "https://xn--fa-hia.example",
    "https://\uff41\uff50\uff50\u3002example": "https://app.example",
    "http://[0:0:0:0:0:0:0:1]:8003": "http://[::1]:8003",
    "https://app.example.": "https://app.example.",
    "https://a_b.example": "https://a_b.example",
}
NONE = [
    "*", "https://app.example,*", "https://*.example", "https://app.example/path", "app.example", "null", "https://",
    "https://app.example?x", "https://app.example#x", "https://zs@app.example", "https://app.example:99999",
    "http://127.1", "http://2130706433", "http://0x7f.0.0.1", "https://a..b", "ws://app.example", "https://app%2eexample",
    f"https://{'a' * 64}.example",
]  # fmt: skip


def load_both(monkeypatch: pytest.MonkeyPatch, origins: str) -> list[tuple[str, ...]]:
    """Return what each service makes of a setting."""
    monkeypatch.setenv("RESOURCE_KEYS", "access.jwks.json")
    for name in ("AUTH_CORS_ORIGINS", "RESOURCE_CORS_ORIGINS"):
        monkeypatch.setenv(name, origins)
    return [load_auth_settings().cors_origins, load_resource_settings().cors_origins]


@pytest.mark.parametrize(("written", "sent"), SPELLINGS.items())
def test_an_origin_is_compared_as_browsers_write_it(monkeypatch: pytest.MonkeyPatch, written: str, sent: str) -> None:
    """Capitals, default ports, international names, a slash at the end: what a browser sends for it is what counts."""
    assert [(sent,)] * 2 == load_both(monkeypatch, f"{written} {sent}")


@pytest.mark.parametrize("origins", NONE)
def test_both_services_refuse_what_is_no_exact_origin(monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    """A star, a pattern, a path, a bare host: neither service starts, and the line names the setting and the cure."""
    with pytest.raises(StartProblem, match=r"AUTH_CORS_ORIGINS: must .* write https://app.example"):
        load_both(monkeypatch, origins)
    with pytest.raises(StartProblem, match=r"RESOURCE_CORS_ORIGINS: must .* write https://app.example"):
        load_resource_settings()


async def test_answers_vary_by_origin(auth: Auth, resource: ClientSession) -> None:
    """No cache gives one origin's answer to another: errors, preflights and answers to nobody's page included."""
    foreign, ours = {"Origin": "https://evil.example"}, {"Origin": ORIGIN}
    calls = [
        (client, method, path, headers)
        for headers in ({}, ours, foreign)
        for client, method, path in (
            (auth.client, "GET", "/.well-known/jwks.json"),
            (auth.client, "GET", "/.well-known/oauth-authorization-server"),
            (auth.client, "POST", "/refresh"),
            (auth.client, "GET", "/nowhere"),
            (resource, "GET", "/"),
            (resource, "GET", "/home"),
        )
    ]
    calls += [
        (client, "OPTIONS", path, preflight(origin, method, "Authorization"))
        for origin in (ORIGIN, "https://evil.example")
        for client, path, method in ((auth.client, "/login", "POST"), (resource, "/home", "GET"))
    ]

    for client, method, path, headers in calls:
        response = await client.request(method, path, headers=headers)
        assert ["Origin"] == response.headers.getall("Vary", []), (method, path, headers)


@pytest.mark.parametrize("origins", [(), (ORIGIN,)])
async def test_a_refused_page_is_named_in_the_log(
    start_auth: StartAuth, capsys: pytest.CaptureFixture[str], origins: tuple[str, ...]
) -> None:
    """The browser tells its user neither the origin nor the setting that lacks it, whether it holds any or not."""
    auth = await start_auth(cors_origins=origins)
    await auth.client.options("/login", headers=preflight("https://Forgotten.example", "POST", "Content-Type"))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "page.refused" in line]

    assert "https://Forgotten.example" in line
    assert "AUTH_CORS_ORIGINS" in line


@pytest.mark.parametrize(
    ("method", "headers"), [("POST", "content-type,x-requested-with"), ("PUT", "content-type"), ("POST", "x\u00fc")]
)
async def test_a_page_that_is_listed_is_told_what_it_may_not_use(
    auth: Auth, capsys: pytest.CaptureFixture[str], method: str, headers: str
) -> None:
    """Its origin stands in the setting: the operator would look in the wrong place."""
    response = await auth.client.options("/login", headers=preflight(ORIGIN, method, headers))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "page.refused" in line]

    assert 403 == response.status
    assert f"method={method}" in line
    assert f"headers={headers.encode('ascii', 'backslashreplace').decode()}" in line
    assert "AUTH_CORS_ORIGINS" not in line
