"""A user of the stack: added by the operator, logged in by the client, undisturbed by restarts."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.compose.stack import Stack, run
from tests.deadline import HANGS_S

USERNAME, PASSWORD = "zs", "correct horse battery staple"
Client = Callable[..., str]


@pytest.fixture(scope="module", autouse=True)
def user(stack: Stack) -> None:
    """A user whom the operator added, while the service runs."""
    add = ("python", "-m", "auth_service", "users", "add", USERNAME, "--email", f"{USERNAME}@example.org")
    stack.execute("auth", *add, stdin=f"{PASSWORD}\n")


@pytest.fixture
def client(stack: Stack, tmp_path: Path) -> Client:
    """Runs the client script, with a token file of its own, and returns what it printed."""
    environment = os.environ | {
        "DUALTOKEN_AUTH_URL": stack.auth_url,
        "DUALTOKEN_TOKEN_FILE": str(tmp_path / "tokens.json"),
    }

    def call(*arguments: str, stdin: str = "") -> str:
        return run(sys.executable, "-m", "client", *arguments, stdin=stdin, env=environment)

    call("login", "--user", USERNAME, stdin=f"{PASSWORD}\n")
    return call


def test_client_calls_the_resource_service(stack: Stack, client: Client) -> None:
    """Who logs in at one container is known by name in the other."""
    home = json.loads(client("get", f"{stack.resource_url}/home"))

    assert ("success", USERNAME) == (home["status"], home["data"]["username"])


def test_session_survives_a_restart(stack: Stack, client: Client) -> None:
    """After a restart of the auth service, the refresh token from before it renews the same session."""
    before = json.loads(client("get", f"{stack.resource_url}/home"))["data"]
    renewed = status(client)["refreshes"]

    # The first health check comes later than the access token's end, so that only a refresh helps.
    with stack.becoming_healthy(["auth"]):
        stack.compose("restart", "auth")
    left_s = status(client)["access_left_s"]
    after = json.loads(client("get", f"{stack.resource_url}/home"))["data"]

    assert 0 == left_s
    assert before["sid"] == after["sid"]
    assert before["exp"] < after["exp"]
    assert renewed < status(client)["refreshes"]


def test_keys_rotate_under_way(stack: Stack, client: Client) -> None:
    """The operator rotates all keys while the services run: sessions go on, and whoever logs in is known at once."""
    before = json.loads(client("get", f"{stack.resource_url}/home"))["data"]
    stack.compose("run", "--rm", "-T", "keys", "keys", "rotate")
    after = json.loads(client("get", f"{stack.resource_url}/home"))["data"]
    client("login", "--user", USERNAME, stdin=f"{PASSWORD}\n")
    new = json.loads(client("get", f"{stack.resource_url}/home"))["data"]

    assert before["sid"] == after["sid"]
    assert before["sub"] == new["sub"]


async def test_web_page_is_allowed_by_both_services(stack: Stack) -> None:
    """The page names the services' public addresses, and both let its origin call."""
    origin = "http://localhost:8003"  # where Compose publishes it by default
    async with aiohttp.ClientSession(headers={"Origin": origin}) as http:
        async with http.get(f"{stack.web_url}/config.json") as response:
            assert {"authUrl": "http://localhost:8001", "apiUrl": "http://localhost:8002"} == await response.json()
        calls = (http.post(f"{stack.auth_url}/refresh"), http.get(f"{stack.resource_url}/home"))
        allowed = [(await call).headers["Access-Control-Allow-Origin"] for call in calls]

    assert [origin] * 2 == allowed


async def test_logout_reaches_the_resource_service(stack: Stack) -> None:
    """The resource service hears of a logout, and refuses an access token that has not expired."""
    account = {"username": USERNAME, "password": PASSWORD}
    with access_tokens_living(stack, 10 * HANGS_S):
        async with aiohttp.ClientSession(raise_for_status=True) as http:
            async with http.post(f"{stack.auth_url}/login", json=account) as response:
                tokens = await response.json()
            async with http.post(f"{stack.auth_url}/logout", json={"token": tokens["refresh_token"]}):
                pass
        description = await first_refusal(f"{stack.resource_url}/home", tokens["access_token"])

    assert "revoked" == description


@contextmanager
def access_tokens_living(stack: Stack, seconds: int) -> Iterator[None]:
    """Have the auth service make tokens that live longer than the stack's, until the block ends."""
    longer = replace(stack, environment=stack.environment | {"AUTH_ACCESS_TTL_S": str(seconds)})
    try:
        recreate(longer)
        yield
    finally:
        recreate(stack)


def recreate(stack: Stack) -> None:
    """Give the auth service the stack's settings; return when it is healthy."""
    with stack.becoming_healthy(["auth"]):
        stack.compose("up", "-d", "--no-build", "--no-deps", "auth")


def test_logs_are_silent_about_secrets(stack: Stack, client: Client, tmp_path: Path) -> None:
    """No password and no token that was in use stands in what the containers print."""
    client("get", f"{stack.resource_url}/home")
    logs = stack.compose("logs", "--no-color")

    assert "listening on" in logs
    assert PASSWORD not in logs
    assert all(token not in logs for token in strings(json.loads((tmp_path / "tokens.json").read_text())))


def status(client: Client) -> dict[str, Any]:
    """Return what the client script knows of its session."""
    answer: dict[str, Any] = json.loads(client("status", "--json"))
    return answer


async def first_refusal(url: str, access_token: str) -> str:
    """Call until the answer is 401, and return its description."""
    authorization = {"Authorization": f"Bearer {access_token}"}
    async with asyncio.timeout(HANGS_S), aiohttp.ClientSession(headers=authorization) as http:
        while True:
            async with http.get(url) as response:
                if response.status == 401:
                    return str((await response.json())["error_description"])


def strings(value: object) -> list[str]:
    """Return all strings of a JSON value that are long enough to be secret."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in strings(item)]
    return [value] if isinstance(value, str) and len(value) > 40 else []
