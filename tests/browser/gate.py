"""What stands between the browser and the auth service: counts what passes, and holds or spoils it on demand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

from tests.deadline import HANGS_S

PREFIX = "behind"
"""The auth service is below this path, too, and knows nothing of it: as behind a proxy that strips a path."""
_PER_HOP = {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding"}


@dataclass(frozen=True)
class Seen:
    """One request on the wire, and the status that the auth service gave it; 0 if it never got there."""

    method: str
    path: str
    key: str | None
    status: int
    proof: str | None


@dataclass
class Gate:
    """A reverse proxy in front of the auth service. Reset between tests.

    Refreshes go to *renewing*, the same service, everything else to *target*; after a reset, they go to *settled*.
    """

    target: URL = field(default_factory=URL)
    renewing: URL = field(default_factory=URL)
    settled: URL = field(default_factory=URL)
    url: URL = field(default_factory=URL)
    seen: list[Seen] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    refuse: int = 0
    refusal: int = 503
    retry_after: str = ""
    lose: int = 0
    hang: int = 0
    held_path: str = ""
    _hung: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def reset(self) -> None:
        """Let everything through, forget what was seen, and let what is renewed from now on live longer."""
        self.seen.clear()
        self.renewing = self.settled
        self.answers.set()
        self.refuse = self.lose = self.hang = 0
        self.refusal, self.retry_after = 503, ""
        self._hung.set()
        self._hung = asyncio.Event()

    def hold_answers(self, path: str = "") -> None:
        """From now on requests reach the auth service, and answers (to one path) wait until ``answers`` is set."""
        self.held_path = path
        self.answers.clear()

    @property
    def refreshes(self) -> list[Seen]:
        """Every POST to /refresh."""
        return [seen for seen in self.seen if (seen.method, seen.path) == ("POST", "/refresh")]

    async def until_refreshes(self, count: int) -> None:
        """Return when the auth service has seen that many refreshes."""
        async with asyncio.timeout(HANGS_S), self._news:
            await self._news.wait_for(lambda: len(self.refreshes) >= count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and its answer back."""
        concerned = request.method == "POST"
        if concerned and self.refuse > 0:
            self.refuse -= 1
            await self._note(request, 0)
            return web.Response(status=self.refusal, headers=self._refusal_headers(request))
        if concerned and self.hang > 0:
            self.hang -= 1
            await self._note(request, 0)
            await self._hung.wait()
            return web.Response(status=504)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _PER_HOP}
        body = await request.read()
        url = _stripped(request.rel_url)
        target = self.renewing if url.path == "/refresh" else self.target
        async with request.app[HTTP].request(
            request.method, target.join(url), headers=headers, data=body or None
        ) as answer:
            content = await answer.read()
        await self._note(request, answer.status)
        if concerned and request.path.startswith(self.held_path):
            await self.answers.wait()
        if concerned and self.lose > 0:
            self.lose -= 1
            assert request.transport is not None
            request.transport.abort()
        passed = [(name, value) for name, value in answer.headers.items() if name.lower() not in _PER_HOP]
        response = web.Response(status=answer.status, body=content)
        response.headers.clear()
        for name, value in passed:
            response.headers.add(name, value)
        return response

    def _refusal_headers(self, request: web.Request) -> dict[str, str]:
        headers = {
            "Access-Control-Allow-Origin": request.headers.get("Origin", ""),
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Expose-Headers": "Retry-After",
        }
        return headers | ({"Retry-After": self.retry_after} if self.retry_after else {})

    async def _note(self, request: web.Request, status: int) -> None:
        async with self._news:
            key, proof = (request.headers.get(name) for name in ("Idempotency-Key", "DPoP"))
            self.seen.append(Seen(request.method, request.path, key, status, proof))
            self._news.notify_all()


def _stripped(url: URL) -> URL:
    return url.with_path(url.path.removeprefix(f"/{PREFIX}"), keep_query=True)


HTTP = web.AppKey("HTTP", aiohttp.ClientSession)


@asynccontextmanager
async def open_gate() -> AsyncIterator[Gate]:
    """Run a gate; before which auth service, its ``target`` says once that one runs."""
    gate = Gate()
    gate.reset()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gate.handle)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as http:
        app[HTTP] = http
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        gate.url = URL(f"http://localhost:{runner.addresses[0][1]}")
        try:
            yield gate
        finally:
            gate.answers.set()
            await runner.cleanup()
