"""The calls of the wire contract, written out as any client could make them."""

from collections import Counter
from typing import Any

import aiohttp
from yarl import URL

from tests.system.processes import PASSWORD, Service

Answer = tuple[int, dict[str, Any]]
_CONNECTIONS = 32


def counting(statuses: Counter[int]) -> aiohttp.ClientSession:
    """Return a session that counts the status of each answer, of those too that a client takes for none."""

    async def count_it(_session: object, _context: object, heard: aiohttp.TraceRequestEndParams) -> None:
        statuses[heard.response.status] += 1

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(count_it)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_CONNECTIONS), trace_configs=[trace])


async def post(http: aiohttp.ClientSession, url: URL, body: object, **headers: str) -> Answer:
    """Send JSON; return status and body."""
    async with http.post(url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def log_in(
    http: aiohttp.ClientSession, auth: Service, password: str = PASSWORD, *, username: str = "zs"
) -> dict[str, Any]:
    """Return the token answer of a log-in that must succeed."""
    status, tokens = await post(http, auth.url / "login", {"username": username, "password": password})
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
