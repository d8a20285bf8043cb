"""The load of the benchmarks."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from benchmarks.http_load import Answer, NextRequest, load
from tests.benchmarks.serving import serving


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Run a server that answers the number of its request."""
    count = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.Response(text=str(count))

    async with serving(answer) as port:
        yield port


async def test_the_last_answer_of_every_connection_is_read(port: int) -> None:
    """A chain of requests can go on another time: no answer of a counted run is thrown away."""
    read: list[int] = []

    def maker(_number: int) -> NextRequest:
        def next_request(last: Answer | None) -> bytes:
            if last is not None:
                read.append(int(last.body))
            return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

        return next_request

    run = await load("127.0.0.1", port, maker, connections=4, count=20)

    assert (20, list(range(1, 21)), []) == (run.requests, sorted(read), run.failures)
