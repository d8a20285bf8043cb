"""A fake auth service with the wire contract of the real one, and no mercy."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

from tests.conformance import faults
from tests.conformance.families import Families, Refused
from tests.conformance.faults import Fault

PASSWORD = "correct horse"


class AuthFake:
    """State and handlers of the fake auth service.

    ``expires_in`` None leaves the member out; ``brief`` names access tokens that live for another time.
    """

    def __init__(self) -> None:
        self.families = Families()
        self.expires_in: float | None = 3600
        self.brief: dict[str, float] = {}
        self.faults: dict[str, deque[Fault]] = {"login": deque(), "refresh": deque(), "logout": deque()}
        self.calls: dict[str, int] = {"login": 0, "refresh": 0, "logout": 0}
        self.keys: list[str | None] = []
        self.headers: list[dict[str, str]] = []
        self.refreshed_at: list[float] = []
        self.hanging = 0
        self.arrived = asyncio.Condition()
        self.released = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the service."""
        return [
            web.post("/login", self._guarded("login", self._login)),
            web.post("/refresh", self._guarded("refresh", self._refresh)),
            web.post("/logout", self._guarded("logout", self._logout)),
        ]

    def state(self) -> dict[str, object]:
        """Return what the scenarios assert about."""
        families = self.families
        return {
            "logins": self.calls["login"],
            "refresh_calls": self.calls["refresh"],
            "logouts": self.calls["logout"],
            "rotations": families.rotations,
            "retries": families.retries,
            "reuses": families.reuses,
            "most_uses": max(families.uses.values(), default=0),
            "live_sessions": len({id(f) for f in families.of_refresh.values() if f.ended is None}),
            "keys": self.keys,
            "auth_headers": self.headers,
            "hanging": self.hanging,
            "refreshed_at": self.refreshed_at,
        }

    async def wait_for_hanging(self, count: int) -> None:
        """Return when *count* calls hang, or have hung."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: self.hanging >= count)

    def _guarded(
        self, call: str, answer: Callable[[web.Request], Awaitable[dict[str, object]]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            self.calls[call] += 1
            self.headers.append(dict(request.headers))
            if call == "refresh":
                self.refreshed_at.append(asyncio.get_running_loop().time())
            fault = self.faults[call].popleft() if self.faults[call] else None
            if fault is not None and (early := await self._before(fault, request)) is not None:
                return early
            try:
                tokens = await answer(request)
            except Refused as refusal:
                return web.json_response({"error": "invalid_grant", "reason": str(refusal)}, status=400)
            if fault is not None and (late := await self._after(fault, request, tokens)) is not None:
                return late
            return web.json_response(tokens, headers={"Cache-Control": "no-store"})

        return handler

    async def _before(self, fault: Fault, request: web.Request) -> web.StreamResponse | None:
        match fault.kind:
            case "drop_before":
                return faults.drop(request)
            case "status":
                return faults.status(fault)
            case "huge":
                return await faults.huge(request)
            case "redirect":
                return web.Response(status=307, headers={"Location": fault.body})
            case "hang_before":
                await self._hang()
        return None

    async def _after(self, fault: Fault, request: web.Request, tokens: dict[str, object]) -> web.StreamResponse | None:
        match fault.kind:
            case "drop_after":
                return faults.drop(request)
            case "half":
                return await faults.half(request, tokens)
            case "body":
                return web.Response(text=fault.body, status=fault.status, content_type=fault.content_type)
            case "hang_after":
                await self._hang()
        return None

    async def _hang(self) -> None:
        async with self.arrived:
            self.hanging += 1
            self.arrived.notify_all()
        await self.released.wait()

    async def _login(self, request: web.Request) -> dict[str, object]:
        body = await request.json()
        if body["password"] != PASSWORD:
            raise web.HTTPUnauthorized(text='{"error": "invalid_credentials"}', content_type="application/json")
        access, refresh = self.families.open(body["username"])
        user = {"username": body["username"], "email": f"{body['username']}@example.org"}
        return self._tokens(access, refresh) | {"userInfo": user}

    async def _refresh(self, request: web.Request) -> dict[str, object]:
        body = await request.json()
        key = request.headers.get("Idempotency-Key")
        self.keys.append(key)
        return self._tokens(*self.families.exchange(body["refresh_token"], key))

    async def _logout(self, request: web.Request) -> dict[str, object]:
        body = await request.json()
        self.families.log_out(body["refresh_token"], everywhere=body.get("everywhere", False))
        return {}

    def _tokens(self, access: str, refresh: str) -> dict[str, object]:
        expires_in = self.brief.get(access, self.expires_in)
        life = {} if expires_in is None else {"expires_in": expires_in}
        return {
            "token_type": "Bearer",
            "access_token": access,
            "refresh_token": refresh,
            "refresh_expires_in": 604800,
            "scope": "read write",
            **life,
        }
