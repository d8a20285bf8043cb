"""Bad input over raw sockets: others are answered meanwhile, and neither memory nor file descriptors run away."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest

from tests.system.calls import log_in
from tests.system.processes import Deployment, Service

IDLE = 1000
WAVES, BOMBS_AT_ONCE = 6, 20
BYTES_PER_IDLE_CONNECTION = 64 * 1024
LOGIN = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(params=["auth", "resource"])
async def service(request: pytest.FixtureRequest, deployment: Deployment) -> AsyncIterator[Service]:
    """Each of the two services."""
    start = deployment.auth_service if request.param == "auth" else deployment.resource_service
    async with start() as service:
        yield service


async def connect(service: Service) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a raw connection."""
    return await asyncio.open_connection(service.url.host, service.url.port)


async def exchange(service: Service, *parts: bytes, half_close: bool = False) -> bytes:
    """Send bytes; return all that comes back until the service closes."""
    reader, writer = await connect(service)
    with contextlib.suppress(ConnectionError):
        for part in parts:
            writer.write(part)
            await writer.drain()
        if half_close:
            writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def answers_others(service: Service) -> None:
    """Assert that somebody else is answered, and soon."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as http, http.get(service.url / "health/live") as response:
        assert 200 == response.status


async def test_thousands_of_idle_connections_cost_little(service: Service) -> None:
    """Connections that send nothing, or half a head, are cheap, and are given up with their descriptors."""
    process = psutil.Process(service.process.pid)
    await answers_others(service)
    memory, descriptors = process.memory_info().rss, process.num_fds()
    writers = []
    for number in range(IDLE):
        _, writer = await connect(service)
        if number % 2:
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Slow: ")
        writers.append(writer)
    await answers_others(service)
    grown = process.memory_info().rss - memory
    for writer in writers:
        writer.close()
    async with asyncio.timeout(30):
        while process.num_fds() > descriptors + 10:  # noqa: ASYNC110 - of another process, which tells nobody
            await asyncio.sleep(0.05)
    await answers_others(service)

    assert grown < IDLE * BYTES_PER_IDLE_CONNECTION


BOMBS = {
    "one long header": b"GET / HTTP/1.1\r\nHost: a\r\nX-Bomb: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    "a long path": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "zeros": b"\x00" * 1_000_000,
}


async def test_header_bombs_are_refused(service: Service) -> None:
    """Heads beyond the limits are 4xx, or cut off; less than half of what they weigh stays, and others are answered."""
    process = psutil.Process(service.process.pid)
    for _ in range(3):
        await drop_bombs(service)
    # What the first waves took, the allocator keeps for the next ones; a leak would keep every wave.
    memory = process.memory_info().rss
    for _ in range(WAVES):
        await drop_bombs(service)

    assert process.memory_info().rss - memory < WAVES * BOMBS_AT_ONCE * sum(map(len, BOMBS.values())) / 2


async def drop_bombs(service: Service) -> None:
    """Send each bomb many times at once; each must be refused, and others answered."""
    for name, head in BOMBS.items():
        for answer in await asyncio.gather(*(exchange(service, head) for _ in range(BOMBS_AT_ONCE))):
            assert answer == b"" or re.match(rb"HTTP/1\.[01] 4", answer), (name, answer[:80])
        await answers_others(service)


async def test_a_broken_request_ends_its_pipeline_and_no_other(service: Service) -> None:
    """What was answered before it stays answered; it is 400, and what follows it on that connection is never served."""
    good = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    reader, writer = await connect(service)
    writer.write(good * 3)
    for _ in range(3):
        assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"}"), 30)
    writer.write(b"BROKEN\r\n\r\n" + good * 3)
    rest = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await answers_others(service)

    assert rest.startswith(b"HTTP/1.0 400 ")
    assert 1 == rest.count(b"HTTP/1.")


async def test_a_half_closed_connection_is_answered_and_closed(service: Service) -> None:
    """Who says that nothing more will come may still be answered; whose request is cut off is not waited for."""
    whole = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    for request in (whole, whole[:30], LOGIN + b"Content-Length: 100\r\n\r\n{"):
        await exchange(service, request, half_close=True)

    await answers_others(service)


async def test_invalid_utf8_is_refused_in_every_field(deployment: Deployment) -> None:
    """Bytes that are no UTF-8, in a path, a query, a header or a body: 4xx, never 500, and a trace never."""
    bad = b"\xff\xfe\xc3\x28"
    body = b'{"username": "' + bad + b'", "password": "' + bad + b'"}'
    form = b"refresh_token=" + bad
    requests = [
        LOGIN + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body,
        b"POST /refresh HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n" % len(form) + form,
        b"GET /" + bad + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /%ff%fe HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /revocations?after=%ff%c3%28 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET /sessions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer " + bad + b"\r\n\r\n",
        b"POST /refresh HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIdempotency-Key: " + bad + b"\r\n"
        b'Content-Type: application/json\r\nContent-Length: 21\r\n\r\n{"refresh_token":"x"}',
        b"DELETE /sessions/%ff HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ]
    async with deployment.auth_service() as auth_, deployment.resource_service() as resource:
        for service in (auth_, resource):
            for request in requests:
                answer = await exchange(service, request)
                assert re.match(rb"HTTP/1\.[01] 4", answer), (request, answer)
                assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert "Traceback" not in auth_.stderr + resource.stderr


async def test_slow_bodies_hold_nobody_up(deployment: Deployment) -> None:
    """While hundreds of bodies trickle in, log-ins are answered."""
    async with deployment.auth_service() as service, aiohttp.ClientSession() as http:
        slow = [await connect(service) for _ in range(300)]
        for _, writer in slow:
            writer.write(LOGIN + b"Content-Length: 1000\r\n\r\n{")
        tokens = await log_in(http, service)
        for _, writer in slow:
            writer.close()

    assert tokens["access_token"]
