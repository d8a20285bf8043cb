"""A user's session across both services, restarts and processes."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import aiohttp

from tests.system.calls import home, log_in, post, refresh
from tests.system.clocks import restart
from tests.system.processes import Deployment, succeed

_TWO_HOURS_S = 7200  # an access token lives for one


def rows(deployment: Deployment, statement: str) -> list[tuple[Any, ...]]:
    """Ask the database file."""
    with closing(sqlite3.connect(deployment.database)) as connection:
        return connection.execute(statement).fetchall()


async def test_log_in_call_expire_refresh_carry_on(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """A user logs in, calls, sees the access token expire, refreshes, and carries on in the same session."""
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        first = await log_in(http, auth)
        status, before, _ = await home(http, resource, first["access_token"])
        assert (200, "zs", "zs@example.org") == (status, before["data"]["username"], before["data"]["email"])

        for service in (auth, resource):
            await restart(service, _TWO_HOURS_S)
        expired, _, challenge = await home(http, resource, first["access_token"])
        _, second = await refresh(http, auth, first["refresh_token"])
        status, after, _ = await home(http, resource, second["access_token"])

    assert 401 == expired
    assert 'error="invalid_token"' in challenge
    assert "expired" in challenge
    assert 200 == status
    assert before["data"]["sid"] == after["data"]["sid"]


async def test_neither_token_does_the_others_work(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """A refresh token opens no resource, and an access token refreshes nothing."""
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        tokens = await log_in(http, auth)
        status, _, challenge = await home(http, resource, tokens["refresh_token"])
        answer = await refresh(http, auth, tokens["access_token"])

    assert (401, True) == (status, 'error_description="invalid"' in challenge)
    assert (400, "malformed") == (answer[0], answer[1]["reason"])


async def test_parallel_presentations_have_one_successor(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """64 parallel presentations of one refresh token give exactly one successor."""
    async with deployment.auth_service() as auth:
        token = (await log_in(http, auth))["refresh_token"]
        answers = await asyncio.gather(*(refresh(http, auth, token) for _ in range(64)))

    assert {200} == {status for status, _ in answers}
    assert 1 == len({body["refresh_token"] for _, body in answers})
    assert [(1, 1)] == rows(deployment, "SELECT count(*), max(generation) FROM sessions")


async def test_the_table_does_not_grow_with_rotations(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """Two hundred rotations later there is one row."""
    async with deployment.auth_service() as auth:
        token = (await log_in(http, auth))["refresh_token"]
        before = rows(deployment, "SELECT count(*) FROM sessions")
        for _ in range(200):
            token = (await refresh(http, auth, token))[1]["refresh_token"]

    assert [(1,)] == before == rows(deployment, "SELECT count(*) FROM sessions")
    assert [(200,)] == rows(deployment, "SELECT generation FROM sessions")


async def test_a_restart_keeps_sessions(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """A session, a retry and a log-out outlive the process that answered them."""
    async with deployment.auth_service() as auth:
        first = await log_in(http, auth)
        gone = await log_in(http, auth)
        await post(http, auth.url / "logout", {"token": gone["refresh_token"]})
        _, second = await refresh(http, auth, first["refresh_token"], **{"Idempotency-Key": "key-1"})
    async with deployment.auth_service() as auth:
        retried = await refresh(http, auth, first["refresh_token"], **{"Idempotency-Key": "key-1"})
        status, _ = await refresh(http, auth, second["refresh_token"])
        logged_out = await refresh(http, auth, gone["refresh_token"])

    assert (200, second["refresh_token"]) == (retried[0], retried[1]["refresh_token"])
    assert 200 == status
    assert (400, "revoked") == (logged_out[0], logged_out[1]["reason"])


async def test_a_killed_process_forgets_nothing_that_it_answered(
    deployment: Deployment, http: aiohttp.ClientSession
) -> None:
    """After SIGKILL, every rotation that was answered is there, and no answered token is a replay."""
    async with deployment.auth_service() as auth:
        token = (await log_in(http, auth))["refresh_token"]
        for _ in range(20):
            token = (await refresh(http, auth, token))[1]["refresh_token"]
        await auth.kill()
    async with deployment.auth_service() as auth:
        status, _ = await refresh(http, auth, token)

    assert 200 == status
    assert [(21,)] == rows(deployment, "SELECT generation FROM sessions")


async def test_two_processes_keep_one_rule(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """Two auth services on one database file give a token one successor, and a replay to either ends the session."""
    async with deployment.auth_service() as one, deployment.auth_service() as other:
        first = (await log_in(http, one))["refresh_token"]
        answers = await asyncio.gather(*(refresh(http, each, first) for each in (one, other) * 32))
        successors = {body.get("refresh_token") for _, body in answers}
        [second] = successors
        _, third = await refresh(http, other, second)
        replayed = await refresh(http, one, first)
        ended = await refresh(http, other, third["refresh_token"])

    assert {200} == {status for status, _ in answers}
    assert (400, "reused") == (replayed[0], replayed[1]["reason"])
    assert (400, "revoked") == (ended[0], ended[1]["reason"])


async def test_users_are_managed_while_the_service_runs(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """A user that is disabled on the command line is out of the running service at once."""
    async with deployment.auth_service() as auth:
        tokens = await log_in(http, auth)
        await succeed("auth_service", "users", "disable", "zs", settings=deployment.auth)
        answer = await refresh(http, auth, tokens["refresh_token"])

    assert (400, "revoked") == (answer[0], answer[1]["reason"])
