"""A resource service in this process, and requests as raw as a test needs them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from dualtoken.resource_service.app import create_app
from dualtoken.resource_service.settings import Settings
from dualtoken_serving.connection import JsonRunner
from tests.connection import connected
from tests.deadline import HANGS_S


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[URL]:
    """Serve *app* on a free port, as the service itself does."""
    runner = JsonRunner(app, service="resource_service", shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield URL(f"http://127.0.0.1:{site.port}")
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def resource_service(keys: Path, **settings: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Run a whole service; the session's relative URLs are its."""
    app = create_app(Settings(keys=keys, **settings))
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        yield session


@contextlib.contextmanager
def silent_port() -> Iterator[socket.socket]:
    """Hold a port at which nobody listens yet, and which nobody else gets."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held


def url_of(held: socket.socket) -> URL:
    """Return the address of a socket."""
    return URL(f"http://127.0.0.1:{held.getsockname()[1]}")


async def raw_answer(url: URL, request: bytes) -> bytes:
    """Send bytes, whatever they are, and read until the other side closes."""
    async with connected(url.host, url.port) as (reader, writer):
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), HANGS_S)


def bearer(token: str) -> dict[str, str]:
    """Make the header that carries *token*."""
    return {"Authorization": f"Bearer {token}"}
