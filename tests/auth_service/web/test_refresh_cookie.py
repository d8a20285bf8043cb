"""The refresh token in a cookie: who gets one, when it counts, and when it goes."""

from typing import Any

import pytest
from aiohttp import FormData

from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import PASSWORD, Auth
from tests.auth_service.web.cookie_calls import (
    FOREIGN,
    LOGIN,
    NAME,
    NO_PAGE,
    OURS,
    PAGE,
    error,
    log_in,
    send,
    set_cookie,
    with_cookies,
)
from tests.connection import connected


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A running service that knows one page."""
    return await start_auth(cors_origins=(PAGE,))


async def test_log_in_puts_the_refresh_token_into_a_cookie_alone(auth: Auth) -> None:
    """With cookie, the refresh token is in a cookie that no script, sibling host or foreign page gets at."""
    response = await auth.post("/login", LOGIN, headers=OURS)
    cookie = set_cookie(response)

    assert cookie is not None
    assert cookie.value.startswith("dtr1_")
    assert ("/", "", True, True, "Strict", "604800") == tuple(
        cookie[name] for name in ("path", "domain", "secure", "httponly", "samesite", "max-age")
    )
    assert cookie.value not in await response.text()
    assert "refresh_token" not in await response.json()
    assert {"username": "zs", "email": "zs@example.org"} == (await response.json())["userInfo"]


async def test_log_in_without_cookie_sets_none(auth: Auth) -> None:
    """Who does not ask for a cookie gets the token in the body, and no cookie."""
    response = await auth.post("/login", {**LOGIN, "cookie": False}, headers=OURS)

    assert set_cookie(response) is None
    assert "refresh_token" in await response.json()


async def test_a_cookie_refreshes_without_a_body(auth: Auth) -> None:
    """The cookie alone rotates; its successor takes its place, and the body names the user but no refresh token."""
    response = await send(auth, "/refresh", first := await log_in(auth))
    body, cookie = await response.json(), set_cookie(response)

    assert 200 == response.status
    assert cookie is not None
    assert cookie.value != first
    assert cookie.value not in str(body)
    assert "zs" == body["userInfo"]["username"]
    assert "refresh_token" not in body
    assert 200 == (await send(auth, "/refresh", cookie.value)).status


async def test_a_cookie_lives_as_long_as_its_token(auth: Auth) -> None:
    """Max-Age is refresh_expires_in: the idle time, or what is left of the session."""
    token = await log_in(auth)
    for _ in range(4):
        auth.clock.advance(6 * 86_400)
        response = await send(auth, "/refresh", token)
        cookie = set_cookie(response)
        assert cookie is not None
        token = cookie.value

    assert 6 * 86_400 == int(cookie["max-age"]) == (await response.json())["refresh_expires_in"]


@pytest.mark.parametrize("headers", NO_PAGE + FOREIGN)
@pytest.mark.parametrize("path", ["/refresh", "/logout"])
async def test_a_cookie_does_not_count_for_others(auth: Auth, path: str, headers: dict[str, str]) -> None:
    """Without an Origin that is allowed, a cookie is no token: nothing is spent, ended or dropped."""
    token = await log_in(auth)
    response = await send(auth, path, token, headers)

    expected = (403, "foreign_page", None) if headers in FOREIGN else (400, "invalid_request", None)
    assert expected == await error(response)
    assert set_cookie(response) is None
    assert [(0, None)] == auth.sql("SELECT generation, revoked_at FROM sessions")


@pytest.mark.parametrize("path", ["/refresh", "/logout"])
async def test_a_page_without_a_cookie_learns_so(auth: Auth, path: str) -> None:
    """A page of ours that sends no cookie is told that there is none: it has no session."""
    assert (400, "invalid_request", "no_token") == await error(await auth.post(path, headers=OURS))
    assert (400, "invalid_request", "no_token") == await error(await send(auth, path, ""))


async def test_two_origins_are_none(auth: Auth) -> None:
    """A second Origin header makes the first worthless."""
    token = await log_in(auth)
    headers = [("Origin", PAGE), ("Origin", PAGE), ("Cookie", f"{NAME}={token}")]

    assert 403 == (await auth.post("/refresh", headers=headers)).status


@pytest.mark.parametrize("headers", NO_PAGE + FOREIGN)
async def test_a_foreign_page_logs_nobody_in(auth: Auth, headers: dict[str, str]) -> None:
    """No cookie is given to a page that may not use it, and no password is looked at for it."""
    form = FormData({"username": "zs", "password": PASSWORD, "cookie": "true"})
    response = await auth.post("/login", data=form, headers=headers)

    assert (403 if headers in FOREIGN else 400) == response.status
    assert set_cookie(response) is None
    assert 0 == auth.hasher.verified


async def test_same_origin_needs_no_list(start_auth: StartAuth) -> None:
    """A page of the auth service's own origin may use the cookie, as the browser says by Sec-Fetch-Site."""
    auth = await start_auth()
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "https://auth.example"}
    cookie = set_cookie(await auth.post("/login", LOGIN, headers=headers))

    assert cookie is not None
    assert 200 == (await send(auth, "/refresh", cookie.value, headers)).status


async def test_a_token_in_the_body_wins(auth: Auth) -> None:
    """With a token in the body the cookie is not looked at, neither spent nor set nor dropped."""
    held, body = await log_in(auth), (await auth.log_in())["refresh_token"]
    refreshed = await send(auth, "/refresh", held, json={"refresh_token": body})
    refused = await send(auth, "/refresh", held, json={"refresh_token": "nonsense"})
    ended = await send(auth, "/logout", held, json={"token": body})

    assert [200, 400, 200] == [response.status for response in (refreshed, refused, ended)]
    assert [None] * 3 == [set_cookie(response) for response in (refreshed, refused, ended)]
    assert 200 == (await send(auth, "/refresh", held)).status


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"json": {"everywhere": False}}, {"data": FormData({"x": "y"})}])
async def test_log_out_ends_the_session_and_the_cookie(auth: Auth, options: dict[str, Any]) -> None:
    """A log-out by cookie revokes the session and drops the cookie; a body is optional."""
    token = await log_in(auth)
    response = await send(auth, "/logout", token, **options)
    cookie = set_cookie(response)

    assert (200, {}) == (response.status, await response.json())
    assert cookie is not None
    assert ("", "0", True, "/") == (cookie.value, cookie["max-age"], cookie["secure"], cookie["path"])
    assert (400, "invalid_grant", "revoked") == await error(await send(auth, "/refresh", token))


async def test_log_out_everywhere_by_cookie(auth: Auth) -> None:
    """A cookie logs its user out everywhere."""
    held, other = await log_in(auth), await log_in(auth)
    await send(auth, "/logout", held, json={"everywhere": True})

    assert (400, "invalid_grant", "revoked") == await error(await send(auth, "/refresh", other))


@pytest.mark.parametrize(
    ("reason", "days"), [("malformed", 0), ("expired", 8), ("reused", 0), ("revoked", 0), ("unknown", 0)]
)
async def test_a_refused_cookie_is_dropped(auth: Auth, reason: str, days: int) -> None:
    """After invalid_grant, for whatever reason, the browser is told to drop the cookie."""
    token = await log_in(auth)
    auth.clock.advance(days * 86_400)
    if reason == "malformed":
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    if reason == "unknown":
        auth.sql("DELETE FROM sessions")
    if reason == "revoked":
        await send(auth, "/logout", token)
    if reason == "reused":
        await send(auth, "/refresh", token)
        auth.clock.advance(31)
    response = await send(auth, "/refresh", token)
    cookie = set_cookie(response)

    assert (400, "invalid_grant", reason) == await error(response)
    assert cookie is not None
    assert ("", "0") == (cookie.value, cookie["max-age"])


async def test_a_passing_failure_keeps_the_cookie(auth: Auth) -> None:
    """503 and a malformed request drop nothing."""
    token = await log_in(auth)
    malformed = await send(auth, "/refresh", token, {**OURS, "Idempotency-Key": "with space"})
    auth.sql("ALTER TABLE sessions RENAME TO moved")
    unavailable = await send(auth, "/refresh", token)

    assert [400, 503] == [malformed.status, unavailable.status]
    assert [None] * 2 == [set_cookie(response) for response in (malformed, unavailable)]


async def test_a_lost_answer_is_repeated_by_cookie(auth: Auth) -> None:
    """The same cookie with the same Idempotency-Key gets the same successor."""
    token = await log_in(auth)
    headers = {**OURS, "Idempotency-Key": "k1"}
    cookies = [set_cookie(await send(auth, "/refresh", token, headers)) for _ in range(2)]

    assert cookies[0] is not None
    assert cookies[1] is not None
    assert cookies[0].value == cookies[1].value


FRAMINGS = [
    b"POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: 0\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: a\r\n%sTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n",
    b"POST %s HTTP/1.0\r\n%s\r\n",
    b"POST %s HTTP/1.0\r\n%sContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/x-www-form-urlencoded", "application/octet-stream"]
)
@pytest.mark.parametrize("path", ["/refresh", "/logout"])
async def test_no_body_is_none_however_a_proxy_frames_it(
    auth: Auth, path: str, content_type: str, framing: bytes
) -> None:
    """Of length 0, of no chunks, without either, in HTTP/1.0; with a type or without: the cookie is asked."""
    head = f"Origin: {PAGE}\r\nConnection: close\r\nCookie: {NAME}={await log_in(auth)}\r\n"
    head += f"Content-Type: {content_type}\r\n" if content_type else ""
    async with connected(auth.client.host, auth.client.port) as (reader, writer):
        writer.write(framing % (path.encode(), head.encode()))
        answer = await reader.read()

    assert b"200" == answer.split()[1], answer


@pytest.mark.parametrize("name", [f"{NAME}-", f"{NAME}-zzzzzzzzzzzz", f"{NAME}-0", f"x{NAME}", NAME.lower()])
async def test_other_cookies_are_no_refresh_tokens(auth: Auth, name: str) -> None:
    """A cookie that merely looks alike is neither read nor dropped."""
    response = await with_cookies(auth, "/refresh", {name: await log_in(auth)})

    assert (400, "invalid_request", "no_token") == await error(response)
    assert [] == response.headers.getall("Set-Cookie", [])


async def test_credentials_are_allowed_to_the_page_alone(auth: Auth) -> None:
    """CORS lets the page send cookies and read the answer, errors included; another page reads nothing."""
    answers = [await send(auth, "/refresh", "x", {"Origin": origin}) for origin in (PAGE, "https://evil.example")]

    assert [("true", PAGE), (None, None)] == [
        (
            answer.headers.get("Access-Control-Allow-Credentials"),
            answer.headers.get("Access-Control-Allow-Origin"),
        )
        for answer in answers
    ]


async def test_a_page_is_told_whether_its_session_is_bound(auth: Auth) -> None:
    """Answers beside a cookie say whether refreshes need a proof of a key; those with a token in the body do not."""
    token = await log_in(auth)
    refreshed = await send(auth, "/refresh", token)

    assert False is (await refreshed.json())["bound"]
    assert "bound" not in await auth.log_in()
