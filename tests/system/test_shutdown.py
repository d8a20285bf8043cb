"""SIGTERM: what has begun is answered, then the process ends well."""

import asyncio
import json
import sqlite3
from contextlib import closing

import aiohttp
import pytest

from tests.connection import closed, connect, connected
from tests.deadline import HANGS_S
from tests.system.calls import log_in, refresh
from tests.system.locked import locked
from tests.system.patience import PATIENT
from tests.system.processes import Deployment, Service

IN_FLIGHT = 32
UNHURRIED = {"AUTH_SHUTDOWN_S": 600}  # what the test does after SIGTERM may take its time


async def begin(auth: Service, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a refresh up to its body, and return once the service has begun to handle it."""
    reader, writer = await connect(auth.url.host, auth.url.port)
    length = len(body(token))
    head = "POST /refresh HTTP/1.1\r\nHost: auth\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    writer.write(f"{head}Content-Length: {length}\r\n\r\n".encode())
    interim = await reader.readuntil(b"\r\n\r\n")
    assert interim.startswith(b"HTTP/1.1 100 ")
    return reader, writer


def body(token: str) -> bytes:
    """Return the JSON of a refresh."""
    return json.dumps({"refresh_token": token}).encode()


async def _has_read_what_came_before(http: aiohttp.ClientSession, auth: Service) -> None:
    """Return once the service has taken up the requests that were sent before: each process takes them in order."""
    for _ in range(2 * IN_FLIGHT):
        async with http.get(auth.url / "health/live") as response:
            assert 200 == response.status


async def refused(auth: Service) -> None:
    """Return when the service accepts no connection any more."""
    async with asyncio.timeout(HANGS_S):
        while True:
            try:
                async with connected(auth.url.host, auth.url.port):
                    pass
            except ConnectionRefusedError:
                return
            await asyncio.sleep(0.02)  # the end of listening offers nothing to wait on


async def test_every_refresh_in_flight_is_answered(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """Refreshes in flight at SIGTERM, waiting for the database, are all answered, exit 0, and on disk."""
    async with deployment.auth_service(**UNHURRIED, **PATIENT) as auth:
        tokens = [(await log_in(http, auth))["refresh_token"] for _ in range(4)]
        presented = tokens * (IN_FLIGHT // 4)
        streams = [await begin(auth, token) for token in presented]
        with locked(deployment.database):
            for (_, writer), token in zip(streams, presented, strict=True):
                writer.write(body(token))
                await writer.drain()
            auth.terminate()
            await refused(auth)
        answers = [await asyncio.wait_for(reader.read(), HANGS_S) for reader, _ in streams]
        for _, writer in streams:
            await closed(writer)
        status = await auth.ended()

    assert 0 == status
    assert {b"HTTP/1.1 200 OK"} == {answer.partition(b"\r\n")[0] for answer in answers}
    successors = {json.loads(answer.partition(b"\r\n\r\n")[2])["refresh_token"] for answer in answers}
    assert 4 == len(successors)
    async with deployment.auth_service() as auth:
        assert [200] * 4 == [(await refresh(http, auth, token))[0] for token in sorted(successors)]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_refresh_whose_body_is_on_its_way_is_answered(
    deployment: Deployment, http: aiohttp.ClientSession, workers: int
) -> None:
    """The body of a request that has begun may arrive after SIGTERM."""
    async with deployment.auth_service(AUTH_WORKERS=workers, **UNHURRIED) as auth:
        token = (await log_in(http, auth))["refresh_token"]
        reader, writer = await begin(auth, token)
        auth.terminate()
        await refused(auth)
        for part in (body(token)[:9], body(token)[9:]):
            writer.write(part)
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), HANGS_S)
        await closed(writer)
        status = await auth.ended()

    assert (b"HTTP/1.1 200 OK", 0) == (answer.partition(b"\r\n")[0], status)


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_upload_on_its_way_is_answered(
    deployment: Deployment, http: aiohttp.ClientSession, workers: int
) -> None:
    """The resource service reads to its end what it has begun to read, too."""
    async with deployment.auth_service() as auth, deployment.resource_service(RESOURCE_WORKERS=workers) as resource:
        token = (await log_in(http, auth))["access_token"]
        reader, writer = await connect(resource.url.host, resource.url.port)
        head = f"POST /echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 10\r\n"
        writer.write(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        resource.terminate()
        await refused(resource)
        for part in (b"01234", b"56789"):
            writer.write(part)
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), HANGS_S)
        await closed(writer)
        status = await resource.ended()

    assert (b"HTTP/1.1 200 OK", 0) == (answer.partition(b"\r\n")[0], status)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_locked_database_does_not_hold_up_the_end(
    deployment: Deployment, http: aiohttp.ClientSession, workers: int
) -> None:
    """What its clients left behind and waits for the database is not begun after AUTH_SHUTDOWN_S. Exit 0.

    Each of the forty would wait for the database for 5 s, one after the other: longer than ``HANGS_S``.
    """
    async with deployment.auth_service(AUTH_SHUTDOWN_S=2, AUTH_WORKERS=workers) as auth:
        token = (await log_in(http, auth))["refresh_token"]
        with closing(sqlite3.connect(deployment.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = [asyncio.create_task(http.post(auth.url / "logout", json={"token": token})) for _ in range(40)]
            await _has_read_what_came_before(http, auth)
            for request in asked:
                request.cancel()
            await asyncio.wait(asked)
            status = await auth.stop()
            other.execute("COMMIT")

    assert 0 == status, auth.stderr


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_transaction_in_flight_is_never_cut(
    deployment: Deployment, http: aiohttp.ClientSession, workers: int
) -> None:
    """What is in flight when AUTH_SHUTDOWN_S is over is committed, though nobody waits for the answer any more."""
    async with deployment.auth_service(AUTH_SHUTDOWN_S=1, AUTH_WORKERS=workers, **PATIENT) as auth:
        token = (await log_in(http, auth))["refresh_token"]
        reader, writer = await begin(auth, token)
        with locked(deployment.database):
            writer.write(body(token))
            await writer.drain()
            await _has_read_what_came_before(http, auth)
            auth.terminate()
            cut = await asyncio.wait_for(reader.read(), HANGS_S)
        await closed(writer)
        status = await auth.ended()
    with closing(sqlite3.connect(deployment.database)) as after:
        (generation,) = after.execute("SELECT generation FROM sessions").fetchone()

    assert (b"", 0) == (cut, status)
    assert 1 == generation


async def test_an_idle_connection_delays_nothing(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """A client that keeps its connection open does not hold up the end."""
    async with deployment.auth_service(AUTH_SHUTDOWN_S=600) as auth:
        await log_in(http, auth)
        auth.terminate()

        assert 0 == await auth.ended()
