"""Calls of a browser that holds refresh cookies."""

import hashlib
from collections.abc import Mapping
from http.cookies import Morsel, SimpleCookie
from typing import Any

from aiohttp import ClientResponse

from tests.auth_service.running import PASSWORD, Auth

PAGE = "https://app.example"
OURS = {"Origin": PAGE}
LOGIN = {"username": "zs", "password": PASSWORD, "cookie": True}
ISSUER, OTHER_ISSUER = "https://auth.example", "https://auth.example/tenant"


def name_of(issuer: str) -> str:
    """Return the name of the cookie of an installation."""
    return f"__Host-Http-refresh_{hashlib.sha256(issuer.encode()).hexdigest()[:8]}"


NAME, OLD_NAME = name_of(ISSUER), "__Host-refresh"
NO_PAGE = [{}, {"Sec-Fetch-Site": "none"}]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://app.example.evil.example"},
    {"Origin": "http://app.example"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def set_cookie(response: ClientResponse) -> Morsel[str] | None:
    """Return the refresh cookie that an answer sets or drops."""
    header = response.headers.get("Set-Cookie")
    return SimpleCookie(header)[NAME] if header else None


async def log_in(auth: Auth) -> str:
    """Return the refresh token that a log-in has put into the cookie."""
    cookie = set_cookie(await auth.post("/login", LOGIN, headers=OURS))
    assert cookie is not None
    return cookie.value


async def send(auth: Auth, path: str, token: str, headers: Mapping[str, str] = OURS, **options: Any) -> ClientResponse:
    """Post to *path* with the cookie."""
    return await auth.post(path, headers={**headers, "Cookie": f"{NAME}={token}"}, **options)


async def error(response: ClientResponse) -> tuple[int, str, str | None]:
    """Return status, code and reason of an error answer."""
    body = await response.json()
    return response.status, body["error"], body.get("reason")


def jar(response: ClientResponse, before: Mapping[str, str]) -> dict[str, str]:
    """Return what a browser that held *before* holds after an answer."""
    held = dict(before)
    for header in response.headers.getall("Set-Cookie", ()):
        for name, morsel in SimpleCookie(header).items():
            held = {**held, name: morsel.value} if morsel["max-age"] != "0" else {k: held[k] for k in held if k != name}
    return held


async def with_cookies(auth: Auth, path: str, held: Mapping[str, str], **options: Any) -> ClientResponse:
    """Post to *path* with all the cookies of a browser."""
    return await auth.post(path, headers={**OURS, "Cookie": "; ".join(f"{k}={v}" for k, v in held.items())}, **options)
