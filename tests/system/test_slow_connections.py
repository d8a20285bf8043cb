"""Connections that are opened and left, or hardly used: others are answered, memory and descriptors are bounded."""

import asyncio
import resource
from collections.abc import Iterator

import aiohttp
import pytest

from tests.system.calls import home, log_in
from tests.system.processes import Deployment, Service
from tests.system.raw import answers_others, connections, footprint

IDLE, SLOW, HALF_CLOSED = 5000, 500, 300
USUAL_DESCRIPTORS = 1024
BYTES_PER_CONNECTION = 32 * 1024
HASHING_BYTES = 128 * 1024 * 1024  # argon2id takes 64 MiB for each hash under way, one for each core
GOOD = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
LOGIN = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def _usual_descriptors() -> Iterator[None]:
    # Of this process, and of the services that it starts: what a shell or systemd gives.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (USUAL_DESCRIPTORS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def many_descriptors(service: Service) -> None:  # noqa: ARG001 - it is started first
    """This process may open as many files as it needs, but the service began with the usual number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * IDLE:
        pytest.skip(f"a process may open {hard} files at most")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * IDLE, hard))


@pytest.mark.usefixtures("many_descriptors")
async def test_thousands_of_idle_connections_cost_little(service: Service) -> None:
    """Connections that send nothing, half a head, or one request, are cheap; gone, they leave no descriptor."""
    before = await footprint(service)
    async with connections(service, IDLE) as opened:
        for (_, writer), sent in zip(opened, [b"", GOOD[:30], GOOD] * IDLE, strict=False):
            writer.write(sent)
        await asyncio.gather(*(reader.readuntil(b"}") for reader, _ in opened[2::3]))
        await answers_others(service)
        assert IDLE <= before.process.num_fds()
        assert before.growth() < IDLE * BYTES_PER_CONNECTION
    await before.descriptors_given_up()
    await answers_others(service)


async def test_half_closed_connections_are_given_up(service: Service) -> None:
    """Who says that nothing more will come is not waited for, though he keeps his own end open."""
    requests = [b"", GOOD, GOOD[:30], LOGIN + b"Content-Length: 100\r\n\r\n{", GOOD * 3 + GOOD[:30]]
    before = await footprint(service)
    async with connections(service, HALF_CLOSED) as opened:
        for (_, writer), sent in zip(opened, requests * HALF_CLOSED, strict=False):
            writer.write(sent)
            writer.write_eof()
        await answers_others(service)
        await before.descriptors_given_up()
        assert before.growth() < HALF_CLOSED * BYTES_PER_CONNECTION


async def test_slow_heads_hold_nobody_up(service: Service) -> None:
    """While hundreds of heads trickle in, byte by byte, others are answered."""
    before = await footprint(service)
    async with connections(service, SLOW) as opened:
        for number in range(len(GOOD) - 1):
            for _, writer in opened:
                writer.write(GOOD[number : number + 1])
            await answers_others(service)
        assert before.growth() < SLOW * BYTES_PER_CONNECTION
    await before.descriptors_given_up()


async def test_slow_bodies_hold_no_log_in_up(deployment: Deployment) -> None:
    """While hundreds of bodies trickle into the auth service, users log in."""
    async with deployment.auth_service() as auth, aiohttp.ClientSession() as http:
        before = await footprint(auth)
        async with connections(auth, SLOW) as opened:
            for byte in (LOGIN + b"Content-Length: 1000\r\n\r\n", b"{", b" ", b" "):
                for _, writer in opened:
                    writer.write(byte)
                assert "access_token" in await log_in(http, auth)
            assert before.growth() < SLOW * BYTES_PER_CONNECTION + HASHING_BYTES
        await before.descriptors_given_up()
        assert "Traceback" not in auth.stderr


@pytest.mark.parametrize("is_authentic", [True, False], ids=["with a token", "without one"])
async def test_slow_bodies_hold_no_resource_up(deployment: Deployment, *, is_authentic: bool) -> None:
    """While hundreds of bodies trickle into the resource service, honoured or refused, others are answered."""
    async with deployment.auth_service() as auth, aiohttp.ClientSession() as http:
        token = (await log_in(http, auth))["access_token"]
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nAuthorization: Bearer %s\r\n\r\n"
    async with deployment.resource_service() as service, aiohttp.ClientSession() as http:
        before = await footprint(service)
        async with connections(service, SLOW) as opened:
            for part in (head % (token.encode() if is_authentic else b"x"), b"a" * 100, b"b", b"c"):
                for _, writer in opened:
                    writer.write(part)
                assert 200 == (await home(http, service, token))[0]
            assert before.growth() < SLOW * BYTES_PER_CONNECTION
        await before.descriptors_given_up()
        assert "Traceback" not in service.stderr
