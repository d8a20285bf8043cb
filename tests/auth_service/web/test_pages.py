"""Requests that web pages make browsers send: of our pages and of hosts themselves, and of foreign ones."""

import pytest
from aiohttp import FormData

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import PASSWORD, Auth

PAGE = "https://app.example"
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://sibling.auth.example", "Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://auth.example", "Sec-Fetch-Site": "cross-site"},
    {"Origin": f"{PAGE}.evil.example"},
    {"Origin": "\u202e\xff" * 400},
]
OURS = [
    {},
    {"Origin": PAGE},
    {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://auth.example"},
    {"Origin": "https://auth.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "http://localhost:9", "Host": "localhost:9"},
    {"Sec-Fetch-Site": "none"},
]
CALLS = [
    *(("POST", path) for path in ("/login", "/refresh", "/logout", "/password", "/introspect")),
    ("DELETE", "/sessions/x"),
]


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A service that lists one page, and allows one failure for each name."""
    return await start_auth(cors_origins=(PAGE,), login_failures=1)


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_foreign_page_locks_no_visitor_out(auth: Auth, headers: dict[str, str]) -> None:
    """Forms and scripts of a foreign page are refused before anything is counted or hashed."""
    wrong = FormData({"username": "zs", "password": "wrong"})
    script = await auth.post("/login", {"username": "zs", "password": "wrong"}, headers=headers)
    forms = [await auth.post("/login", data=wrong, headers=headers) for _ in range(12)]

    assert {403} == {response.status for response in (script, *forms)}
    assert "foreign_page" == (await script.json())["error"]
    assert 0 == auth.hasher.verified
    assert (await auth.log_in())["access_token"]


@pytest.mark.parametrize("headers", OURS)
async def test_own_pages_and_other_programs_log_in(auth: Auth, headers: dict[str, str]) -> None:
    """A listed page, one of the service's own origin as new and old browsers say it, and what is no browser."""
    form = FormData({"username": "zs", "password": PASSWORD})

    assert 200 == (await auth.post("/login", data=form, headers=headers)).status


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_foreign_page_changes_nothing(auth: Auth, method: str, path: str) -> None:
    """Whatever changes something is closed to foreign pages, a good token in hand or not."""
    tokens = await auth.log_in()
    headers = {"Origin": "https://evil.example", "Authorization": f"Bearer {tokens['access_token']}"}
    body = {"refresh_token": tokens["refresh_token"]}
    response = await auth.client.request(method, path, json=body, headers=headers)

    assert (403, "foreign_page") == (response.status, (await response.json())["error"])
    assert [(0, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")


async def test_two_origins_are_foreign(auth: Auth) -> None:
    """No browser sends two."""
    headers = [("Origin", PAGE), ("Origin", PAGE)]

    assert 403 == (await auth.post("/login", {"username": "zs", "password": PASSWORD}, headers=headers)).status


@pytest.mark.parametrize("method", ["POST", "OPTIONS", "GET"])
async def test_a_refused_page_is_named(auth: Auth, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The log says which origin called, cut short and in ASCII, and which setting lists origins."""
    headers = {"Origin": "https://evil.example/\u202e" + "x" * 1000, "Access-Control-Request-Method": "POST"}
    path = "/sessions" if method == "GET" else "/login"
    await auth.client.request(method, path, headers=headers)
    [line] = [line for line in capsys.readouterr().out.splitlines() if "page.refused" in line]

    assert "AUTH_CORS_ORIGINS" in line
    assert "https://evil.example/" in line
    assert "x" * 300 not in line
    assert line.isascii()


async def test_a_link_from_elsewhere_may_be_followed(auth: Auth) -> None:
    """Reading is open: a link on another site leads to the documentation, and no line is written."""
    response = await auth.client.get("/docs", headers={"Sec-Fetch-Site": "cross-site"})

    assert 200 == response.status
