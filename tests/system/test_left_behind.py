"""Requests that are processed long after their client gave them up."""

import asyncio
import json
from pathlib import Path

import aiohttp

from tests.connection import closed, connect
from tests.system.deployment import Sqlite, deployed
from tests.system.eventually import eventually
from tests.system.honest import present
from tests.system.processes import Service


async def begin(service: Service, key: str, length: int) -> asyncio.StreamWriter:
    """Send the head of a refresh; return once the service handles it, and waits for the body."""
    expecting = ("Expect: 100-continue", f"Idempotency-Key: {key}", f"Content-Length: {length}")
    head = ("POST /refresh HTTP/1.1", "Host: localhost", "Content-Type: application/json", *expecting)
    reader, writer = await connect(service.url.host, service.url.port)
    writer.write("\r\n".join((*head, "", "")).encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    return writer


async def test_a_request_that_its_client_left_behind_ends_nothing(tmp_path: Path) -> None:
    """Delayed until its client has hung up, retried elsewhere and gone on, a request looks like a replay: it is none.

    The client then goes on; a spent token whose presenter waits for the answer still ends the session.
    """
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), 2) as deployment, aiohttp.ClientSession() as http:
        (token,) = await deployment.seed(1)
        stopped, other = deployment.processes
        body = json.dumps({"refresh_token": token}).encode()
        left_behind = await begin(stopped, "key-1", len(body))
        with stopped.paused():
            left_behind.write(body)
            await left_behind.drain()
            await closed(left_behind)
            second = await present(http, other.url, token, "key-1")
            third = await present(http, other.url, second.successor, "key-2")
        await eventually(lambda: 1 == len(stopped.events("rotation.abandoned")))
        fourth = await present(http, stopped.url, third.successor, "key-3")
        replay = await present(http, stopped.url, token, "key-1")

    assert (200, 200, 200) == (second.status, third.status, fourth.status)
    assert "reused" == replay.reason
