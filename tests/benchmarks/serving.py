"""A server of one handler, for what asks it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """Serve *handler* at ``/`` on loopback; give the port."""
    app = web.Application()
    app.router.add_get("/", handler)
    async with TestServer(app) as server:
        assert server.port is not None
        yield server.port
