"""Calls that need no password, limited by network: told to come back, and never logged out."""

import pytest

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import PASSWORD

PAGE = {"Origin": "https://app.example"}


async def test_refreshes_beyond_the_limit_are_told_to_come_back(start_auth: StartAuth) -> None:
    """429 with Retry-After, before the token is looked at: nothing is spent, and the session goes on."""
    auth = await start_auth(refreshes_per_minute=2)
    token = (await auth.log_in())["refresh_token"]
    statuses = [(await auth.refresh(each))[0] for each in ("nonsense", "nonsense")]
    response = await auth.post("/refresh", {"refresh_token": token})
    metrics = await (await auth.client.get("/metrics")).text()

    assert [400, 400] == statuses
    assert (429, "too_many_requests") == (response.status, (await response.json())["error"])
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert [(0, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")
    assert 'auth_throttled_attempts_total{route="/refresh"} 1.0' in metrics.splitlines()


async def test_a_cookie_outlives_a_refused_refresh(start_auth: StartAuth) -> None:
    """A page that refreshes too often keeps its cookie."""
    auth = await start_auth(refreshes_per_minute=1, cors_origins=("https://app.example",))
    await auth.post("/login", {"username": "zs", "password": PASSWORD, "cookie": True}, headers=PAGE)
    responses = [await auth.post("/refresh", headers=PAGE) for _ in range(2)]

    assert [400, 429] == [response.status for response in responses]
    assert "Set-Cookie" not in responses[1].headers


async def test_lists_of_sessions_are_limited(start_auth: StartAuth) -> None:
    """Each costs a look at the database, with a token or without one."""
    auth = await start_auth(listings_per_minute=2)
    headers = {"Authorization": f"Bearer {(await auth.log_in())['access_token']}"}
    statuses = [(await auth.client.get("/sessions", headers=each)).status for each in (headers, {}, headers)]

    assert [200, 401, 429] == statuses


@pytest.mark.parametrize("path", ["/refresh", "/sessions"])
async def test_the_default_is_far_from_any_honest_network(start_auth: StartAuth, path: str) -> None:
    """A thousand calls from one address in a row are all answered."""
    auth = await start_auth()
    method = "POST" if path == "/refresh" else "GET"
    statuses = {(await auth.client.request(method, path)).status for _ in range(1000)}

    assert statuses <= {400, 401}
