"""The scaled stack: its containers, its user, and what its database holds."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from tests.compose.stack import Stack

AUTH, RESOURCE = ("auth-1", "auth-2"), ("resource-1", "resource-2")
REPLICAS = (*AUTH, *RESOURCE)
SERVICES = ("database", "redis", "nginx", *REPLICAS)
ACCOUNT = {"username": "zs", "password": "correct horse battery staple"}


def started(stack: Stack, service: str) -> None:
    """Start a container that was killed; return when it is healthy."""
    with stack.becoming_healthy([service]):
        stack.compose("start", service)


def restarted(stack: Stack, service: str) -> None:
    """Restart a container; return when it is healthy."""
    with stack.becoming_healthy([service]):
        stack.compose("restart", service)


def live_sessions(stack: Stack) -> int:
    """Return how many sessions nobody has ended."""
    return int(psql(stack, "SELECT count(*) FROM sessions WHERE revoked_at IS NULL"))


def psql(stack: Stack, query: str) -> str:
    """Return what the database answers."""
    url = "$(cat /keys/database/url | sed s/@database:/@127.0.0.1:/)"
    return stack.execute("database", "sh", "-c", f'psql -q -t -A -c "$0" "{url}"', query)


@dataclass(frozen=True)
class LoggedIn:
    """A session, as its user and its operator know it."""

    refresh_token: str
    sid: str


async def logged_in(http: aiohttp.ClientSession, account: Mapping[str, str]) -> LoggedIn:
    """Log in at the auth service that *http* leads to."""
    async with http.post("/login", json=account, raise_for_status=True) as response:
        tokens = await response.json()
    claims = tokens["access_token"].split(".")[1]
    return LoggedIn(tokens["refresh_token"], json.loads(base64.urlsafe_b64decode(claims + "=="))["sid"])
