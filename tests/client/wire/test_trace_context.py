"""The trace of the request that needs a refresh, and of none other, goes to the auth service."""

import asyncio
import re

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from dualtoken.client import BearerAuth, TokenSource
from dualtoken.client.wire.trace_context import caused_by, context_of_the_cause, headers_of_the_cause

ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SENT = {"traceparent": f"00-{ID}-{PARENT}-01", "tracestate": "rojo=1"}


async def made_headers() -> dict[str, str]:
    """Return what a call made now would carry."""
    return headers_of_the_cause()


async def test_a_call_carries_the_trace_of_its_cause() -> None:
    """Trace id, flag and state stay; the parent is new for each call, and nothing is left behind."""
    headers = [await caused_by(SENT, made_headers()) for _ in range(2)]
    parents = {re.fullmatch(rf"00-{ID}-([0-9a-f]{{16}})-01", each["traceparent"])[1] for each in headers}  # type: ignore[index]

    assert 3 == len(parents | {PARENT})
    assert ["rojo=1", "rojo=1"] == [each["tracestate"] for each in headers]
    assert {} == headers_of_the_cause()


@pytest.mark.parametrize("sent", ["", "x", f"00-{'0' * 32}-{PARENT}-01", f"ff-{ID}-{PARENT}-01", f"00-{ID}-{PARENT}"])
async def test_what_is_no_trace_is_not_carried(sent: str) -> None:
    """A malformed header goes no further than the request on which its caller put it."""
    assert {} == await caused_by({"traceparent": sent, "tracestate": "rojo=1"}, made_headers())


async def test_a_context_of_the_cause_holds_nothing_else() -> None:
    """Of what its starter runs in, a refresh knows the cause alone."""
    context = await caused_by(SENT, asyncio.to_thread(context_of_the_cause))

    assert 1 == len(context)


class Services:
    """An auth service and a resource in one, whose tokens count once; it remembers who sent which trace where."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.tokens = 0

    def application(self) -> web.Application:
        """Serve it."""
        app = web.Application()
        app.add_routes([web.post("/login", self.answer), web.post("/refresh", self.answer), web.get("/", self.thing)])
        return app

    async def answer(self, request: web.Request) -> web.Response:
        """Hand out tokens."""
        self.seen.append((request.path, request.headers.get("traceparent", "")))
        self.tokens += 1
        tokens = {"access_token": f"at-{self.tokens}", "refresh_token": f"rt-{self.tokens}"}
        return web.json_response(
            {"token_type": "Bearer", "expires_in": 3600, "refresh_expires_in": 7200, "scope": "read", **tokens}
        )

    async def thing(self, request: web.Request) -> web.Response:
        """Refuse every first token."""
        self.seen.append((request.path, request.headers.get("traceparent", "")))
        good = request.headers["Authorization"] != "Bearer at-1"
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token", error_description="expired"'}
        return web.Response() if good else web.Response(status=401, headers=headers)


@pytest.mark.parametrize("headers", [SENT, {}], ids=["traced", "untraced"])
async def test_the_refresh_belongs_to_the_request_that_needs_it(headers: dict[str, str]) -> None:
    """The request and its replay carry the caller's header as it is; the refresh its trace, with another parent."""
    services = Services()
    async with TestServer(services.application()) as server:
        url = str(server.make_url("/"))
        async with (
            TokenSource(url) as tokens,
            aiohttp.ClientSession(middlewares=[BearerAuth(tokens, origins=[server.make_url("")])]) as http,
        ):
            await tokens.login("zs", "x")
            async with http.get(url, headers=headers) as answer:
                assert 200 == answer.status
    sent = headers.get("traceparent", "")
    refresh = next(value for path, value in services.seen if path == "/refresh")

    assert ["/login", "/", "/refresh", "/"] == [path for path, _ in services.seen]
    assert [sent, sent] == [value for path, value in services.seen if path == "/"]
    assert bool(sent) == (ID in refresh)
    assert PARENT not in refresh
