"""Calls of the team's own backend."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import ClientResponse
from multidict import CIMultiDictProxy

from tests.auth_service.running import PASSWORD, Auth

BACKEND_SECRET = "a backend secret of 32 characters, or more"
SERVICE_SECRET = "a service secret of 32 characters, or more"
AUTHORIZED = {"Authorization": f"Bearer {BACKEND_SECRET}"}
SUB = "google|a/b %2F é?#&;=+"


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of an answer that was read."""

    status: int
    body: dict[str, Any]
    headers: CIMultiDictProxy[str]

    @property
    def error(self) -> tuple[int, str | None]:
        """Status and code."""
        return self.status, self.body.get("error")


async def read(response: ClientResponse) -> Answer:
    """Read an answer."""
    body = await response.json() if response.content_type == "application/json" else {}
    return Answer(response.status, dict(body), response.headers)


async def call(auth: Auth, method: str, path: str, body: object = None, **headers: str) -> Answer:
    """Call with the backend secret; ``_`` in the names of headers stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    options: dict[str, Any] = {} if body is None else {"json": body}
    return await read(await auth.client.request(method, path, headers={**AUTHORIZED, **named}, **options))


def path_of(sub: str) -> str:
    """Return the path of a user."""
    return f"/users/{quote(sub, safe='')}"


async def put(auth: Auth, sub: str = SUB, **members: object) -> Answer:
    """Make or replace a user."""
    return await call(auth, "PUT", path_of(sub), members)


async def logs_in(auth: Auth, username: str, password: str = PASSWORD) -> bool:
    """Whether a name and a password open a session."""
    return 200 == (await auth.post("/login", {"username": username, "password": password})).status
