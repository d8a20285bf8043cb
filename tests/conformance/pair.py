"""The fake pair on real sockets, with a control API, so that a client in any process can be put before it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from tests.conformance.api_fake import ApiFake
from tests.conformance.auth_fake import AuthFake
from tests.conformance.faults import Fault


class Pair:
    """Both fakes, and a foreign service that must never see a token."""

    def __init__(self) -> None:
        self.auth = AuthFake()
        self.api = ApiFake(self.auth.families)
        self.foreign = ApiFake(self.auth.families)

    def control(self) -> list[web.RouteDef]:
        """Return the routes of the control API, which stand beside those of the auth service."""
        return [
            web.get("/control/state", self._state),
            web.post("/control/set", self._set),
            web.post("/control/expire", self._expire),
            web.post("/control/end-sessions", self._end_sessions),
            web.post("/control/theft", self._theft),
            web.post("/control/wait-for-slow", self._wait_for_slow),
            web.post("/control/fault/{call}", self._fault),
            web.post("/control/clear-faults", self._clear_faults),
            web.post("/control/wait-for-hanging/{count}", self._wait_for_hanging),
            web.post("/control/release", self._release),
        ]

    async def _state(self, _: web.Request) -> web.Response:
        foreign = {"foreign_seen": self.foreign.seen, "foreign_requests": len(self.foreign.seen)}
        return web.json_response(self.auth.state() | self.api.state() | foreign)

    async def _set(self, request: web.Request) -> web.Response:
        for name, value in (await request.json()).items():
            setattr(self.auth if hasattr(self.auth, name) else self.api, name, value)
        return web.json_response({})

    async def _expire(self, _: web.Request) -> web.Response:
        """Let resource servers refuse every access token that exists now."""
        self.auth.families.live.clear()
        return web.json_response({})

    async def _end_sessions(self, request: web.Request) -> web.Response:
        reason = (await request.json())["reason"]
        for family in list(self.auth.families.of_refresh.values()):
            self.auth.families.end(family, reason)
        return web.json_response({})

    async def _theft(self, _: web.Request) -> web.Response:
        """Let a thief use a copy of every live refresh token."""
        for family in {id(f): f for f in self.auth.families.of_refresh.values()}.values():
            if family.ended is None:
                self.auth.families.exchange(family.current, "thief")
        return web.json_response({})

    async def _wait_for_slow(self, _: web.Request) -> web.Response:
        await self.api.arrived.wait()
        return web.json_response({})

    async def _fault(self, request: web.Request) -> web.Response:
        self.auth.faults[request.match_info["call"]].append(Fault.from_json(await request.json()))
        return web.json_response({})

    async def _clear_faults(self, _: web.Request) -> web.Response:
        for queue in self.auth.faults.values():
            queue.clear()
        return web.json_response({})

    async def _wait_for_hanging(self, request: web.Request) -> web.Response:
        await self.auth.wait_for_hanging(int(request.match_info["count"]))
        return web.json_response({})

    async def _release(self, _: web.Request) -> web.Response:
        self.auth.released.set()
        self.api.released.set()
        return web.json_response({})


@dataclass(frozen=True, slots=True)
class Control:
    """The control API, as the scenarios use it, with the addresses of the services."""

    auth_url: str
    api_url: str
    foreign_url: str
    http: aiohttp.ClientSession

    async def state(self) -> dict[str, Any]:
        """Return the counters of both fakes."""
        async with self.http.get(f"{self.auth_url}/control/state") as response:
            state: dict[str, Any] = await response.json()
            return state

    async def counts(self, *names: str) -> dict[str, Any]:
        """Return the counters named."""
        state = await self.state()
        return {name: state[name] for name in names}

    async def set(self, **values: object) -> None:
        """Set attributes of the fakes."""
        await self._post("set", values)

    async def expire(self) -> None:
        """Let resource servers refuse every access token that exists now."""
        await self._post("expire")

    async def end_sessions(self, reason: str = "revoked") -> None:
        """End every session at the auth service."""
        await self._post("end-sessions", {"reason": reason})

    async def theft(self) -> None:
        """Let a thief use a copy of every live refresh token."""
        await self._post("theft")

    async def wait_for_slow(self) -> None:
        """Return when a request for /slow has been judged."""
        await self._post("wait-for-slow")

    async def fault(self, call: str, *faults: Fault) -> None:
        """Queue faults for the next calls of ``login``, ``refresh`` or ``logout``."""
        for fault in faults:
            await self._post(f"fault/{call}", fault.to_json())

    async def clear_faults(self) -> None:
        """Let every call from now on go well."""
        await self._post("clear-faults")

    async def wait_for_hanging(self, count: int = 1) -> None:
        """Return when *count* calls hang, or have hung."""
        await self._post(f"wait-for-hanging/{count}")

    async def release(self) -> None:
        """Let what hangs go on."""
        await self._post("release")

    async def _post(self, path: str, body: object = None) -> None:
        async with self.http.post(f"{self.auth_url}/control/{path}", data=json.dumps(body)) as response:
            assert 200 == response.status, await response.text()


@asynccontextmanager
async def running_pair(host: str = "127.0.0.1") -> AsyncIterator[Control]:
    """Run the pair on free ports."""
    pair = Pair()
    routes = ([*pair.auth.routes(), *pair.control()], pair.api.routes(), pair.foreign.routes())
    runners = []
    urls = []
    try:
        for each in routes:
            app = web.Application(client_max_size=64 * 1024 * 1024)
            app.add_routes(each)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            runners.append(runner)
            await web.TCPSite(runner, host, 0, backlog=16384).start()
            urls.append(f"http://{host}:{runner.addresses[0][1]}")
        async with aiohttp.ClientSession() as http:
            auth_url, api_url, foreign_url = urls
            yield Control(auth_url, api_url, foreign_url, http)
    finally:
        pair.auth.released.set()
        pair.api.released.set()
        for runner in runners:
            await runner.cleanup()
