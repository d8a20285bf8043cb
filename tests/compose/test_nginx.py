"""What nginx repeats at another replica, and what it answers by itself.

It repeats nothing that could happen twice, unless the protocol makes it happen once.
"""

import asyncio
import json
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp
import pytest
from yarl import URL

from tests.compose.stack import CHECKOUT, run
from tests.connection import aborted, connect, connected, listening
from tests.deadline import HANGS_S
from tests.ports import held_ports

IMAGE = os.environ.get("NGINX_IMAGE", "nginx:1.22")
SEVERAL = 3  # tries, of proxy_next_upstream_tries
KEY = {"Idempotency-Key": "k"}
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


@dataclass
class DyingReplica:
    """Reads each request and hangs up, as a replica does that is killed in the middle of it."""

    asked: Counter[str] = field(default_factory=Counter)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    waits: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count one request, by its first line; hang up, or wait until the other side does."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked[head.splitlines()[0].removesuffix(" HTTP/1.1")] += 1
        self.begun.set()
        if self.waits and not await reader.read():
            self.hung_up.set()
        writer.close()


class SpeakingReplica:
    """Answers each request as a service does that is not available, with headers of its own."""

    ANSWER = b"".join(
        [
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 2\r\n",
            b"Retry-After: 7\r\nCache-Control: private\r\nX-Frame-Options: SAMEORIGIN\r\nConnection: close\r\n\r\n{}",
        ]
    )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.ANSWER)
        await writer.drain()
        writer.close()


class Replica(Protocol):
    """What stands behind nginx."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""


@asynccontextmanager
async def nginx_before(replica: Replica, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Run nginx with the stack's configuration before two such replicas; give the addresses of both services."""
    async with listening(replica.serve) as port, nginx_between(folder, port, port) as urls:
        yield urls


@asynccontextmanager
async def nginx_between(folder: Path, *ports: int) -> AsyncIterator[tuple[str, str]]:
    """Run nginx with the stack's configuration; both replicas of both services are at *ports*; give its addresses."""
    with held_ports(2) as (auth, resource):
        conf = folder / "nginx.conf"
        conf.write_text(configuration(auth, resource, ports))
        name = f"dualtoken-test-nginx-{secrets.token_hex(4)}"
        options = ["--rm", "--detach", "--network=host", f"--name={name}", "--entrypoint=nginx"]
        mount = f"--volume={conf}:/etc/nginx/dualtoken.conf:ro"
        run("docker", "run", *options, mount, IMAGE, "-e", "stderr", "-c", "/etc/nginx/dualtoken.conf")
        try:
            await answering(auth)
            yield f"http://127.0.0.1:{auth}", f"http://127.0.0.1:{resource}"
        finally:
            run("docker", "rm", "--force", name)


def configuration(auth: int, resource: int, replicas: Sequence[int]) -> str:
    """Return the stack's configuration with these ports of the loopback address in the place of its own."""
    text = (CHECKOUT / "docker" / "nginx.conf").read_text()
    for service, own, free in (("auth", 8001, auth), ("resource", 8002, resource)):
        for number, port in enumerate(replicas, 1):
            text = text.replace(f"{service}-{number}.replica:{own}", f"127.0.0.1:{port}")
        text = text.replace(f"listen {own}", f"listen 127.0.0.1:{free}")
    return text


async def answering(port: int) -> None:
    """Return when something listens there."""
    async with asyncio.timeout(HANGS_S):
        while True:
            try:
                async with connected("127.0.0.1", port):
                    return
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)  # a port offers nothing to wait on


class LivingReplica:
    """Answers each request with 200 and nothing else."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.mark.parametrize("service", [pytest.param(0, id="auth"), pytest.param(1, id="resource")])
async def test_replica_that_just_came_back_is_asked(tmp_path: Path, service: int) -> None:
    """One replica was down, comes back, and at once the other goes, as in a quick rolling restart: nothing fails."""
    living = LivingReplica()
    statuses = []
    with held_ports(2) as ports:
        async with nginx_between(tmp_path, *ports) as urls, aiohttp.ClientSession(urls[service]) as http:
            for here in (*ports, *ports):
                async with listening(living.serve, here):
                    for _ in range(20):  # so many that the other one is known to be down
                        async with http.get("/home") as response:
                            statuses.append(response.status)

    assert {200: 80} == Counter(statuses)


@pytest.mark.parametrize(
    ("method", "path", "headers", "times"),
    [
        pytest.param("POST", "/refresh", KEY, SEVERAL, id="refresh with a key"),
        pytest.param("POST", "/refresh", {}, 1, id="refresh without a key"),
        pytest.param("POST", "/refresh", {"Idempotency-Key": ""}, 1, id="refresh with an empty key"),
        pytest.param("POST", "/login", KEY, 1, id="login"),
        pytest.param("POST", "/password", KEY, 1, id="change of password"),
        pytest.param("GET", "/sessions", {}, SEVERAL, id="sessions"),
    ],
)
async def test_what_is_repeated(tmp_path: Path, method: str, path: str, headers: dict[str, str], times: int) -> None:
    """Where a replica dies after it got a request, another is asked only if asking twice is asking once.

    Then the client is told in the words of the protocol to try again.
    """
    replica = DyingReplica()
    async with (
        nginx_before(replica, tmp_path) as (url, _),
        aiohttp.ClientSession(url) as http,
        http.request(method, path, headers=headers, data="{}") as response,
    ):
        body = await response.json()

    assert {f"{method} {path}": times} == replica.asked
    assert (503, "unavailable", "1") == (response.status, body["error"], response.headers["Retry-After"])


async def test_hang_up_is_passed_on(tmp_path: Path) -> None:
    """A client that hangs up is gone for the replica, too: the rotation rule depends on it."""
    replica = DyingReplica(waits=True)
    async with nginx_before(replica, tmp_path) as (url, _), aiohttp.ClientSession() as http:
        request = asyncio.create_task(http.post(f"{url}/refresh", headers=KEY))
        await asyncio.wait_for(replica.begun.wait(), HANGS_S)
        request.cancel()
        await asyncio.wait_for(replica.hung_up.wait(), HANGS_S)

    assert {"POST /refresh": 1} == replica.asked


async def told(url: str, request: bytes) -> tuple[int, dict[str, list[str]], bytes]:
    """Send bytes; return status, headers by lower-case name, and body of the one answer."""
    address = URL(url)
    async with connected(address.host, address.port) as (reader, writer):
        writer.write(request)
        first, *lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANGS_S)).decode().splitlines()[:-1]
        headers: dict[str, list[str]] = {}
        for name, value in (line.split(": ", 1) for line in lines):
            headers.setdefault(name.lower(), []).append(value)
        # Not until the end: nginx holds a connection open on which it was sent too much.
        body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"][0])), HANGS_S)
    return int(first.split()[1]), headers, body


LOCAL = b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "invalid_request", id="no Host"),
        pytest.param(
            b"GET /" + LOCAL + b"X: " + b"x" * 40_000 + b"\r\n\r\n", 400, "invalid_request", id="a head too large"
        ),
        pytest.param(b"NO HTTP\r\n\r\n", 400, "invalid_request", id="no HTTP"),
        pytest.param(b"GET /" + b"x" * 40_000 + LOCAL + b"\r\n", 414, "invalid_request", id="an address too long"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", 505, "server_error", id="another version"),
        pytest.param(b"GET /metrics" + LOCAL + b"\r\n", 404, "not_found", id="metrics of one replica"),
        pytest.param(b"TRACE /" + LOCAL + b"\r\n", 405, "method_not_allowed", id="TRACE"),
        pytest.param(
            b"POST /echo" + LOCAL + b"Content-Length: 10000000\r\n\r\n", 413, "payload_too_large", id="body too large"
        ),
        pytest.param(
            b"POST /" + LOCAL + b"Transfer-Encoding: gzip\r\n\r\n", 501, "server_error", id="an unknown coding"
        ),
        pytest.param(b"GET /" + LOCAL + b"\r\n", 503, "unavailable", id="no replica"),
    ],
)
async def test_nginx_answers_as_the_services_do(tmp_path: Path, request_: bytes, status: int, code: str) -> None:
    """What nginx refuses by itself, before either service, is JSON of the one error shape with the safe headers."""
    async with nginx_before(DyingReplica(), tmp_path) as urls:
        answers = [await told(url, request_) for url in urls]

    for found, headers, body in answers:
        assert (status, ["application/json"]) == (found, headers["content-type"])
        assert {name: [value] for name, value in SAFE.items()} == {name: headers.get(name) for name in SAFE}
        assert (["1"] if status == 503 else None) == headers.get("retry-after")
        assert {"error", "error_description"} == json.loads(body).keys()
        assert code == json.loads(body)["error"]


async def flood(url: str, path: str, number: int) -> Counter[int]:
    """Send so many requests at once; return how they were answered. What nginx answers has its shape."""

    async def one(http: aiohttp.ClientSession) -> int:
        async with http.post(path, data="{}") as response:
            if response.status == 429:
                assert ("1", "too_many_requests") == (response.headers["Retry-After"], (await response.json())["error"])
                assert SAFE.items() <= {name.lower(): value for name, value in response.headers.items()}.items()
            return response.status

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=64)) as http:
        return Counter(await asyncio.gather(*(one(http) for _ in range(number))))


async def test_a_flood_of_passwords_ends_before_the_services(tmp_path: Path) -> None:
    """Of two thousand log-ins at once from one address some are told to come back; as many refreshes all pass."""
    async with nginx_before(LivingReplica(), tmp_path) as (url, _):
        logins = await flood(url, "/login", 2000)
        refreshes = await flood(url, "/refresh", 2000)

    assert {200, 429} == set(logins)
    assert 200 <= logins[200]
    assert {200: 2000} == refreshes


async def test_connections_of_one_address_are_limited(tmp_path: Path) -> None:
    """Of more than 256 with a request under way, here for want of its body, the others are told to come back."""
    async with nginx_before(LivingReplica(), tmp_path) as (url, _), AsyncExitStack() as stack:
        address = URL(url)
        answers = []
        for _ in range(270):
            reader, writer = await connect(address.host, address.port)
            stack.push_async_callback(aborted, writer)
            writer.write(b"POST /logout HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
            answers.append(asyncio.create_task(reader.read(12)))
        refused, waiting = await asyncio.wait(answers, timeout=HANGS_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.wait(answers)

    assert {b"HTTP/1.1 429"} == {task.result() for task in refused}


async def test_what_is_internal_is_not_found(tmp_path: Path) -> None:
    """The location that nginx rewrites to is nobody's to ask."""
    async with nginx_before(DyingReplica(), tmp_path) as (auth, _):
        status, _, body = await told(auth, b"POST /refresh-without-key" + LOCAL + b"Content-Length: 0\r\n\r\n")

    assert (404, "not_found") == (status, json.loads(body)["error"])


async def test_what_a_service_says_stays_as_it_is(tmp_path: Path) -> None:
    """Nothing is added to the headers of a service's answer."""
    async with nginx_before(SpeakingReplica(), tmp_path) as urls:
        answers = [await told(url, b"GET /" + LOCAL + b"\r\n") for url in urls]

    for status, headers, body in answers:
        assert (503, b"{}") == (status, body)
        assert ["7"] == headers["retry-after"]
        assert ["private"] == headers["cache-control"]
        assert ["SAMEORIGIN"] == headers["x-frame-options"]
        assert "referrer-policy" not in headers
