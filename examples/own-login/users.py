"""The auth service's calls for backends: accounts by ``/users``, sessions by ``POST /sessions``."""

from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web


class Refused(Exception):
    """The auth service refuses what somebody typed; the text says why."""


class Found(NamedTuple):
    """An account, and what changes whenever it does."""

    account: dict[str, Any]
    etag: str

    @property
    def is_unverified(self) -> bool:
        """Whether nobody has followed its link yet: an address stands in it from then on."""
        return self.account["disabled"] and not self.account["email"]


class Users:
    """Calls with the backend secret."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def add(self, sub: str, members: dict[str, Any]) -> str | None:
        """Make an account; return its ETag, None if there is one already. Raises: Refused."""
        async with self._http.put(f"/users/{sub}", json=members, headers={"If-None-Match": "*"}) as answer:
            if answer.status in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
                return None
            await _require(answer)
            return answer.headers["ETag"]

    async def find(self, sub: str) -> Found | None:
        """Return an account, or None."""
        async with self._http.get(f"/users/{sub}") as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return None
            await _require(answer)
            return Found(await answer.json(), answer.headers["ETag"])

    async def change(self, sub: str, members: dict[str, Any], etag: str) -> str | None:
        """Change an account; return its new ETag, None and nothing done if it is not as it was. Raises: Refused."""
        async with self._http.patch(f"/users/{sub}", json=members, headers={"If-Match": etag}) as answer:
            if answer.status in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.NOT_FOUND}:
                return None
            await _require(answer)
            return answer.headers["ETag"]

    async def open_session(self, sub: str, request: web.Request) -> dict[str, Any]:
        """Return the tokens of a session for whoever sent *request*, by which they have proven who they are."""
        body = {"sub": sub, "user_agent": request.headers.get("User-Agent", ""), "ip": request.remote or ""}
        async with self._http.post("/sessions", json=body) as answer:
            await _require(answer)
            return dict(await answer.json())


async def _require(answer: aiohttp.ClientResponse) -> None:
    if answer.status == HTTPStatus.BAD_REQUEST:
        raise Refused((await answer.json())["error_description"])
    answer.raise_for_status()
