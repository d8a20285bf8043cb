"""Every security event leaves a line with a stable name and the address it came from, and is counted."""

import json
from pathlib import Path

import aiohttp
import pytest

from tests.system.calls import log_in, post, refresh
from tests.system.processes import PASSWORD, Deployment, Service, deployment_in, prepare

SECRET = "a-service-secret-of-more-than-32-characters"
WRONG = "hunter2-hunter2"


@pytest.fixture
async def deployment(tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    return deployment


async def attack(http: aiohttp.ClientSession, auth: Service) -> list[int]:
    """Do what must not go unnoticed; return what the service said to it."""
    tokens = await log_in(http, auth)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    change = {"current_password": WRONG, "new_password": "another " + PASSWORD}
    said = [(await post(http, auth.url / "password", change, **bearer))[0] for _ in range(2)]
    said.append((await post(http, auth.url / "introspect", {"token": "x"}, Authorization="Bearer not-the-secret"))[0])
    await refresh(http, auth, tokens["refresh_token"], **{"Idempotency-Key": "1"})
    for token, key in ((tokens["refresh_token"], "2"), (tokens["refresh_token"][:-2] + "xx", "3")):
        said.append((await refresh(http, auth, token, **{"Idempotency-Key": key}))[0])
    said += [(await post(http, auth.url / "login", {"username": "zs", "password": WRONG}))[0] for _ in range(2)]
    return said


async def test_every_attack_leaves_its_event(deployment: Deployment) -> None:
    """Guesses, a wrong service secret, a stolen and a forged token: each has a line of its own."""
    settings = {"AUTH_LOGIN_FAILURES": 1, "AUTH_SERVICE_SECRET": SECRET, "AUTH_LOG_LEVEL": "info"}
    async with deployment.auth_service(**settings) as auth, aiohttp.ClientSession() as http:
        said = await attack(http, auth)
        async with http.get(auth.url / "metrics") as answer:
            metrics = (await answer.text()).splitlines()
    lines = [json.loads(line) for line in auth.stderr.splitlines()]
    events = [(line["event"], line.get("route"), line["level"]) for line in lines]

    assert [401, 429, 401, 400, 400, 401, 429] == said
    assert [
        ("login.succeeded", None, "info"),
        ("password.refused", None, "warning"),
        ("attempt.throttled", "/password", "warning"),
        ("service.refused", "/introspect", "warning"),
        ("rotation.reused", None, "warning"),
        ("rotation.malformed", None, "info"),
        ("login.refused", None, "warning"),
        ("attempt.throttled", "/login", "warning"),
    ] == events
    assert {"127.0.0.1"} == {line["ip"] for line in lines if line["event"] in {"attempt.throttled", "service.refused"}}
    assert 'auth_throttled_attempts_total{route="/login"} 1.0' in metrics
    assert 'auth_events_total{event="rotation.reused",level="warning"} 1.0' in metrics
    assert 'auth_revocations_total{reason="reuse"} 1.0' in metrics
