"""What a connection does when its service ends in the middle of something else."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from dualtoken_serving.connection import JsonRunner
from tests.connection import closed
from tests.deadline import HANGS_S

Pair = tuple[socket.socket, socket.socket]

_POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
_SMALL = 4_096  # bytes that the system keeps of a connection, or twice as many
_LONGER = bytes(40_000)  # than that, and shorter than what a handler waits for


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """The client's and the server's end of a connection."""
    pair = socket.socketpair()
    for end in pair:
        end.setblocking(False)
    yield pair
    for end in pair:
        end.close()


async def test_a_connection_that_is_made_while_the_service_ends_does_not_delay_it(pair: Pair) -> None:
    """It is closed, though the idle ones were closed before: a TLS handshake may end so late."""
    client, server = pair
    app = web.Application()

    async def connect(_app: web.Application) -> None:
        await _accept(runner, server)

    app.on_shutdown.append(connect)
    runner = await _running(app)
    await _end(runner)

    assert b"" == await _said_to(client)


async def test_a_request_that_comes_as_the_service_ends_keeps_its_body(pair: Pair) -> None:
    """Between its head and the first step of its handler the service is told to end: the rest of it is read."""
    client, server = pair

    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    runner = await _running(_answering(echo))
    connection = await _accept(runner, server)
    connection.data_received(_POST)
    connection.close()
    connection.data_received(b"ok")
    await _end(runner)

    assert (await _said_to(client)).endswith(b"\r\n\r\nok")


async def test_an_answer_that_broke_off_does_not_delay_the_end(pair: Pair) -> None:
    """Though its reader has not taken what there is of it: no request is under way any more."""
    client, server = pair
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL)
    broken = asyncio.Event()

    async def break_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(_LONGER)
        broken.set()
        raise RuntimeError

    runner = await _running(_answering(break_off))
    await _accept(runner, server)
    client.send(_POST)
    await broken.wait()
    await _end(runner)

    assert _LONGER in await _said_to(client)


async def test_a_cancelled_handler_does_not_delay_the_end(pair: Pair) -> None:
    """It gives no answer that could be waited for."""
    client, server = pair
    begun, ends = asyncio.Event(), asyncio.Event()

    async def cancel(_request: web.Request) -> web.Response:
        begun.set()
        await ends.wait()
        raise asyncio.CancelledError

    app = _answering(cancel)

    async def end_handler(_app: web.Application) -> None:
        ends.set()

    app.on_shutdown.append(end_handler)
    runner = await _running(app)
    await _accept(runner, server)
    client.send(_POST)
    await begun.wait()
    await _end(runner)

    assert b"" == await _said_to(client)


def _answering(handler: Handler) -> web.Application:
    app = web.Application()
    app.router.add_post("/", handler)
    return app


async def _running(app: web.Application) -> JsonRunner:
    """Return what runs *app*, and lets a request under way take longer than any test."""
    runner = JsonRunner(app, service="some_service", shutdown_timeout=2 * HANGS_S)
    await runner.setup()
    return runner


async def _accept(runner: JsonRunner, server: socket.socket) -> web.RequestHandler:
    assert runner.server is not None
    _, connection = await asyncio.get_running_loop().connect_accepted_socket(runner.server, server)
    return connection


async def _end(runner: JsonRunner) -> None:
    async with asyncio.timeout(HANGS_S):
        await runner.cleanup()


async def _said_to(client: socket.socket) -> bytes:
    """Return all that came, once the other end has closed."""
    reader, writer = await asyncio.open_connection(sock=client)  # noqa: TID251 - of a socket that is there
    try:
        return await reader.read()
    finally:
        await closed(writer)
