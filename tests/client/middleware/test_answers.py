"""BearerAuth: websockets, streams and long answers."""

import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from dualtoken.client import BearerAuth, TokenSource
from tests.conformance.pair import Control


async def test_a_websocket_handshake_is_signed_and_replayed(http: aiohttp.ClientSession, pair: Control) -> None:
    """A socket opens across an expiry."""
    await pair.expire()
    async with http.ws_connect(f"{pair.api_url}/socket") as socket:
        await socket.send_str("hello")
        assert "hello" == await socket.receive_str()

    assert {"seen": ["Bearer at-1", "Bearer at-2"]} == await pair.counts("seen")


async def test_a_websocket_address_has_the_origin_of_its_http_address(
    http: aiohttp.ClientSession, pair: Control
) -> None:
    """ws://host is signed where http://host is."""
    async with http.ws_connect(f"{pair.api_url.replace('http', 'ws')}/socket"):
        assert {"seen": ["Bearer at-1"]} == await pair.counts("seen")


async def test_a_streamed_answer_is_streamed(http: aiohttp.ClientSession, pair: Control) -> None:
    """The body is not read for the caller."""
    await pair.expire()
    async with http.get(f"{pair.api_url}/stream") as response:
        lines = [line async for line in response.content]

    assert (100, b"99\n") == (len(lines), lines[-1])


async def test_a_long_answer_is_not_held_in_memory(source: TokenSource) -> None:
    """64 MB pass through in pieces."""

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1024):
            await response.write(bytes(65536))
        return response

    async with running(flood) as url, aiohttp.ClientSession(middlewares=[BearerAuth(source, origins=[url])]) as http:
        tracemalloc.start()
        async with http.get(url) as response:
            total = sum([len(chunk) async for chunk in response.content.iter_any()])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert (64 * 1024 * 1024, True) == (total, peak < 8 * 1024 * 1024)


@asynccontextmanager
async def running(handler: object) -> AsyncIterator[str]:
    """Run one handler as a service of its own."""
    app = web.Application()
    app.router.add_get("/", handler)  # type: ignore[arg-type]  # a handler
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
