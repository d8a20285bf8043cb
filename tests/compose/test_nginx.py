"""What nginx repeats at another replica: nothing that could happen twice, unless the protocol makes it happen once."""

import asyncio
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.compose.stack import CHECKOUT, free_ports, run

IMAGE = os.environ.get("NGINX_IMAGE", "nginx:1.22")
WITHIN_S = 30
KEY = {"Idempotency-Key": "k"}


@dataclass
class DyingReplica:
    """Reads each request and hangs up, as a replica does that is killed in the middle of it."""

    asked: Counter[str] = field(default_factory=Counter)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    waits: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Count one request, by its first line; hang up, or wait until the other side does."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked[head.splitlines()[0].removesuffix(" HTTP/1.1")] += 1
        if self.waits and not await reader.read():
            self.hung_up.set()
        writer.close()


@asynccontextmanager
async def nginx_before(replica: DyingReplica, folder: Path) -> AsyncIterator[str]:
    """Run nginx with the stack's configuration before two dying replicas; give the address of the auth service."""
    server = await asyncio.start_server(replica.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    auth, resource = free_ports(2)
    text = (CHECKOUT / "docker" / "nginx.conf").read_text()
    for service, own, free in (("auth", 8001, auth), ("resource", 8002, resource)):
        for number in (1, 2):
            text = text.replace(f"{service}-{number}.replica:{own}", f"127.0.0.1:{port}")
        text = text.replace(f"listen {own}", f"listen 127.0.0.1:{free}")
    # Each request is to find both replicas, whatever happened to the last.
    text = text.replace("max_fails=2", "max_fails=0")
    conf = folder / "nginx.conf"
    conf.write_text(text)
    name = f"dualtoken-test-nginx-{secrets.token_hex(4)}"
    options = ["--rm", "--detach", "--network=host", f"--name={name}", "--entrypoint=nginx"]
    mount = f"--volume={conf}:/etc/nginx/dualtoken.conf:ro"
    run("docker", "run", *options, mount, IMAGE, "-e", "stderr", "-c", "/etc/nginx/dualtoken.conf")
    try:
        async with server:
            await listening(auth)
            yield f"http://127.0.0.1:{auth}"
    finally:
        run("docker", "rm", "--force", name)


async def listening(port: int) -> None:
    """Return when something listens there."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)  # a port offers nothing to wait on
            else:
                writer.close()
                return


@pytest.mark.parametrize(
    ("method", "path", "headers", "times"),
    [
        pytest.param("POST", "/refresh", KEY, 2, id="refresh with a key"),
        pytest.param("POST", "/refresh", {}, 1, id="refresh without a key"),
        pytest.param("POST", "/refresh", {"Idempotency-Key": ""}, 1, id="refresh with an empty key"),
        pytest.param("POST", "/login", KEY, 1, id="login"),
        pytest.param("POST", "/password", KEY, 1, id="change of password"),
        pytest.param("GET", "/sessions", {}, 2, id="sessions"),
    ],
)
async def test_what_is_repeated(tmp_path: Path, method: str, path: str, headers: dict[str, str], times: int) -> None:
    """Where a replica dies after it got a request, the other is asked only if asking twice is asking once.

    Then the client is told in the words of the protocol to try again.
    """
    replica = DyingReplica()
    async with (
        nginx_before(replica, tmp_path) as url,
        aiohttp.ClientSession(url) as http,
        http.request(method, path, headers=headers, data="{}") as response,
    ):
        body = await response.json()

    assert {f"{method} {path}": times} == replica.asked
    assert (503, "unavailable", "1") == (response.status, body["error"], response.headers["Retry-After"])


async def test_hang_up_is_passed_on(tmp_path: Path) -> None:
    """A client that hangs up is gone for the replica, too: the rotation rule depends on it."""
    replica = DyingReplica(waits=True)
    async with nginx_before(replica, tmp_path) as url, aiohttp.ClientSession() as http:
        with pytest.raises(TimeoutError):
            await http.post(f"{url}/refresh", headers=KEY, timeout=aiohttp.ClientTimeout(total=1))
        await asyncio.wait_for(replica.hung_up.wait(), WITHIN_S)

    assert {"POST /refresh": 1} == replica.asked
