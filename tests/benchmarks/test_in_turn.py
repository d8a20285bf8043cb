"""Servers asked in turn."""

from collections.abc import AsyncIterator, Callable
from itertools import count, groupby

import pytest
from aiohttp import web

from benchmarks.http_load import Answer, NextRequest
from benchmarks.in_turn import WARM_UP, Server, in_turn
from tests.benchmarks.serving import serving

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
async def served() -> AsyncIterator[tuple[int, set[object]]]:
    """Run a server; give its port, and the connections that it saw."""
    seen: set[object] = set()

    async def answer(request: web.Request) -> web.Response:
        seen.add(request.transport)
        return web.Response(text="ok")

    async with serving(answer) as port:
        yield port, seen


async def test_connections_stay_open_and_chains_unbroken(served: tuple[int, set[object]]) -> None:
    """Each connection serves all turns, and reads the answer of every request that it sent."""
    port, connections = served
    sent, read = [0, 0], [0, 0]

    def maker(number: int) -> NextRequest:
        last_counted: Answer | None = None

        def next_request(last: Answer | None) -> bytes:
            nonlocal last_counted
            if last is not last_counted:
                last_counted = last
                read[number] += 1
            sent[number] += 1
            return REQUEST

        return next_request

    ticks = count()
    loads = await in_turn(
        {"one": Server(port, maker)}, rounds=3, seconds=0.02, connections=2, meter=lambda: {"service": next(ticks)}
    )
    # The last request of each turn is made, and held back: its run was over.
    turns = WARM_UP + 3

    assert 2 == len(connections)
    assert [count + turns for count in read] == sent
    assert (3, True) == (len(loads["one"]), all(load.requests >= 2 for load in loads["one"]))
    assert [{"service": 1}] * 3 == [load.cpu_s for load in loads["one"]]


async def test_the_order_of_a_round_is_drawn_anew() -> None:
    """Nobody is always asked after the same one: a server that comes last in a round may come first in the next."""
    requests = []

    async def answer(request: web.Request) -> web.Response:
        requests.append(request.host)
        return web.Response()

    def maker(host: str) -> Callable[[int], NextRequest]:
        return lambda _number: lambda _last: f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    async with serving(answer) as port:
        servers = {host: Server(port, maker(host)) for host in ("one", "two")}
        await in_turn(servers, rounds=5, seconds=0.02, connections=1)
    turns = [host for host, _ in groupby(requests)]

    assert 2 < len(turns) < 2 * (WARM_UP + 5)


async def test_a_server_that_breaks_ends_it() -> None:
    """No figure is made of what failed."""

    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(hang_up) as port:
        with pytest.raises(RuntimeError, match="broken: "):
            await in_turn({"broken": Server(port, lambda _: lambda _: REQUEST)}, rounds=1, seconds=0.02, connections=1)
