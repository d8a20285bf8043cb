"""BearerAuth of httpx and httpx2 over HTTP/2, where all requests share one connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dualtoken.client import NotReplayable, TokenSource
from dualtoken.client.httpx import BearerAuth
from tests.conformance.pair import Control
from tests.deadline import HANGS_S

BURST = 100
LINES = [f"{number}\n" for number in range(50)]


class Api:
    """A service that takes the second access token alone.

    Attributes:
        connections: the ports from which requests came.
    """

    def __init__(self) -> None:
        self.connections: set[int] = set()
        self.app = Starlette(
            routes=[
                Route("/", self._answer),
                Route("/echo", self._answer, methods=["POST"]),
                Route("/lines", self._lines),
            ]
        )

    def _is_refused(self, request: Request) -> bool:
        assert request.client is not None
        self.connections.add(request.client.port)
        return request.headers.get("Authorization") != "Bearer at-2"

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        if self._is_refused(request):
            return Response(b"x" * 100_000, 401, {"WWW-Authenticate": "Bearer"})
        return JSONResponse({"bytes": len(body)})

    async def _lines(self, request: Request) -> Response:
        if self._is_refused(request):
            return Response(None, 401, {"WWW-Authenticate": "Bearer"})
        return StreamingResponse(iter(LINES))


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[str]:
    """Serve *api* in HTTP/2 without TLS, which both sides know beforehand (RFC 9113 §3.3)."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config, end = Config(), asyncio.Event()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    running = asyncio.create_task(serve(api.app, config, shutdown_trigger=end.wait))  # type: ignore[arg-type]  # Starlette
    try:
        yield url
    finally:
        end.set()
        await running


@pytest.fixture
async def api() -> Api:
    """Return the service."""
    return Api()


@pytest.fixture(params=[httpx, httpx2], ids=lambda library: library.__name__)
async def http(request: pytest.FixtureRequest, api: Api, source: TokenSource) -> AsyncIterator[Any]:
    """Return a client that speaks HTTP/2 alone, over one connection."""
    library = request.param
    async with (
        served(api) as url,
        library.AsyncClient(
            auth=BearerAuth(source, origins=[url]),
            base_url=url,
            http1=False,
            http2=True,
            limits=library.Limits(max_connections=1),
            timeout=HANGS_S,
        ) as http,
    ):
        yield http


async def test_a_burst_on_one_connection_costs_one_refresh(http: Any, api: Api, pair: Control) -> None:
    """Refusals and repetitions are streams of it."""
    answers = await asyncio.gather(*(http.get("/") for _ in range(BURST)))

    assert {("HTTP/2", 200)} == {(answer.http_version, answer.status_code) for answer in answers}
    assert (1, {"refresh_calls": 1}) == (len(api.connections), await pair.counts("refresh_calls"))


async def test_a_body_is_sent_again_whole(http: Any) -> None:
    """Though the service has read it once."""
    assert {"bytes": 200_000} == (await http.post("/echo", content=b"x" * 200_000)).json()


async def test_a_body_that_can_be_had_once_is_told(http: Any) -> None:
    """Its 401 costs a refresh; the connection stays good for others."""

    async def once() -> AsyncIterator[bytes]:
        yield b"once"

    with pytest.raises(NotReplayable):
        await http.post("/echo", content=once())

    assert {"bytes": 4} == (await http.post("/echo", content=once())).json()


async def test_a_stream_is_read_while_others_are_answered(http: Any) -> None:
    """Side by side."""
    async with http.stream("GET", "/lines") as response:
        assert 200 == (await http.get("/")).status_code

        assert "".join(LINES) == "".join([text async for text in response.aiter_text()])
