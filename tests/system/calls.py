"""The calls of the wire contract, written out as any client could make them."""

from typing import Any

import aiohttp
from yarl import URL

from tests.system.processes import PASSWORD, Service

Answer = tuple[int, dict[str, Any]]


async def post(http: aiohttp.ClientSession, url: URL, body: object, **headers: str) -> Answer:
    """Send JSON; return status and body."""
    async with http.post(url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def log_in(http: aiohttp.ClientSession, auth: Service, password: str = PASSWORD) -> dict[str, Any]:
    """Return the token answer of a log-in that must succeed."""
    status, tokens = await post(http, auth.url / "login", {"username": "zs", "password": password})
    assert 200 == status, tokens
    return tokens


async def refresh(http: aiohttp.ClientSession, auth: Service, token: str, **headers: str) -> Answer:
    """Present a refresh token."""
    return await post(http, auth.url / "refresh", {"refresh_token": token}, **headers)


async def home(http: aiohttp.ClientSession, resource: Service, access_token: str) -> tuple[int, dict[str, Any], str]:
    """Call the resource; return status, body and challenge."""
    headers = {"Authorization": f"Bearer {access_token}"}
    async with http.get(resource.url / "home", headers=headers) as response:
        return response.status, await response.json(), response.headers.get("WWW-Authenticate", "")
