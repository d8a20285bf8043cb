"""A fake resource service: believes the fake auth service, counts, and misbehaves on request."""

import asyncio
import hashlib

from aiohttp import web

from tests.conformance.families import Families

CHALLENGE = 'Bearer realm="fake", error="invalid_token", error_description="expired"'


class ApiFake:
    """State and handlers of the fake resource service.

    Attributes:
        refuse: answers 401 to that many signed requests, whatever their token.
        expire_every: lets all access tokens expire after each so many successful answers; 0: never.
        refusal_bytes: length of the body of a 401.
        late: access tokens that have run out, after *life_s*, by the time when they arrive at ``/late``.
        seen: the Authorization header of each request, None where there was none, in order.
    """

    def __init__(self, families: Families) -> None:
        self.families = families
        self.refuse = 0
        self.refusal_bytes = 0
        self.expire_every = 0
        self.late: list[str] = []
        self.life_s = 0.0
        self.successes = 0
        self.expiries = 0
        self.requests = 0
        self.refusals = 0
        self.seen: list[str | None] = []
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the service."""
        return [
            web.get("/public", self._public),
            web.get("/home", self._things),
            web.get("/things", self._things),
            web.get("/late", self._late),
            web.get("/never", self._never),
            web.post("/echo", self._echo),
            web.route("*", "/early-refusal", self._early_refusal, expect_handler=self._before_continue),
            web.get("/forbidden", self._forbidden),
            web.get("/step-up", self._step_up),
            web.get("/basic", self._basic),
            web.route("*", "/redirect", self._redirect),
            web.get("/open-redirect", self._open_redirect),
            web.get("/slow", self._slow),
            web.get("/stream", self._stream),
            web.get("/socket", self._socket),
        ]

    def state(self) -> dict[str, object]:
        """Return what the scenarios assert about."""
        return {"api_requests": self.requests, "api_401s": self.refusals, "expiries": self.expiries, "seen": self.seen}

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.requests += 1
        header = request.headers.get("Authorization")
        self.seen.append(header)
        token = (header or "").removeprefix("Bearer ")
        if token in self.families.live and self.refuse <= 0:
            self._succeeded()
            return None
        self.refuse -= 1
        self.refusals += 1
        return web.Response(status=401, headers={"WWW-Authenticate": CHALLENGE}, body=b"x" * self.refusal_bytes)

    def _succeeded(self) -> None:
        self.successes += 1
        if self.expire_every and self.successes % self.expire_every == 0:
            self.expiries += 1
            self.families.live.clear()

    async def _public(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.seen.append(request.headers.get("Authorization"))
        return web.json_response({"public": True})

    async def _things(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.json_response({"things": []})

    async def _late(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.late and token in self.families.live:
            await asyncio.sleep(self.life_s)  # as long as the client knows it to live
            self.families.live.discard(token)
        return self._refusal(request) or web.json_response({})

    async def _never(self, _: web.Request) -> web.Response:
        """Say 401 where 403 is meant."""
        self.requests += 1
        return web.Response(status=401, headers={"WWW-Authenticate": CHALLENGE})

    async def _echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        digest = hashlib.sha256(body).hexdigest()
        return self._refusal(request) or web.json_response({"bytes": len(body), "sha256": digest})

    async def _early_refusal(self, request: web.Request) -> web.Response:
        """Refuse without reading the body, as a gateway does."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        body = await request.read()
        return web.json_response({"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()})

    async def _before_continue(self, request: web.Request) -> web.StreamResponse | None:
        """Refuse who asks with "Expect: 100-continue" before the body is sent."""
        if (refusal := self._refusal(request)) is not None:
            return refusal
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def _forbidden(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.Response(
            status=403, headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="admin"'}
        )

    async def _step_up(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.Response(
            status=401, headers={"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="admin"'}
        )

    async def _basic(self, request: web.Request) -> web.Response:
        return self._refusal(request) or web.Response(
            status=401, headers={"WWW-Authenticate": 'Basic realm="Bearer, or not"'}
        )

    async def _redirect(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        status = int(request.query.get("status", "307"))
        return refusal or web.Response(status=status, headers={"Location": request.query["to"]})

    async def _open_redirect(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.get("Authorization"))
        return web.Response(status=307, headers={"Location": request.query["to"]})

    async def _slow(self, request: web.Request) -> web.Response:
        """Judge the token now, answer when the control API says so."""
        answer = self._refusal(request) or web.json_response({})
        self.arrived.set()
        await self.released.wait()
        return answer

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(100):
            await response.write(b"%02d\n" % number)
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket
