"""Requests that trickle in are given up."""

import asyncio

import pytest

from dualtoken.auth_service.web import bodies
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import Auth
from tests.connection import connected
from tests.deadline import HANGS_S
from tests.trickle import trickled

HEAD = b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-Slow: "
LOGIN = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


async def test_a_body_that_never_ends_is_408(auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten seconds for a body, then 408 in the one error shape."""
    monkeypatch.setattr(bodies, "READ_S", 0.2)
    async with connected(auth.client.host, auth.client.port) as (reader, writer):
        writer.write(LOGIN + b"Content-Length: 1000\r\n\r\n{")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANGS_S)

    assert head.startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_never_ends_is_cut_off(start_auth: StartAuth, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that does not finish its first head within the keep-alive time is closed, however busy it is."""
    monkeypatch.setattr("dualtoken_serving.process.KEEPALIVE_S", 0.3)
    auth = await start_auth()

    assert b"" == await trickled(auth.client.host, auth.client.port, HEAD)


async def test_a_connection_that_says_nothing_is_cut_off(
    start_auth: StartAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the first byte of a head came within the keep-alive time."""
    monkeypatch.setattr("dualtoken_serving.process.KEEPALIVE_S", 0.3)
    auth = await start_auth()
    async with connected(auth.client.host, auth.client.port) as (reader, _):
        said = await asyncio.wait_for(reader.read(), HANGS_S)

    assert b"" == said
