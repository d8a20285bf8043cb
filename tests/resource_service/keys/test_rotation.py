"""Keys change and their source disappears while the service is under load."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
from aiohttp import web

from dualtoken.resource_service.app import create_app
from dualtoken.resource_service.settings import Settings
from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key, write_keys
from tests.resource_service.services import bearer, resource_service, serving

REQUESTS_PER_ROUND = 100


class Load:
    """Requests to every guarded route, with tokens of whatever keys a test says, until it is told to stop."""

    def __init__(self, session: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
        self.session, self.keys, self.times = session, [key], times
        self.statuses: list[int] = []
        self._round = asyncio.Condition()

    async def work(self) -> None:
        """Ask, each time with a token that was never seen before."""
        while True:
            token = self.keys[len(self.statuses) % len(self.keys)].token(jti=str(len(self.statuses)), **self.times)
            for method, path in (("GET", "/home"), ("POST", "/echo"), ("GET", "/health/ready"), ("GET", "/metrics")):
                async with self.session.request(method, path, headers=bearer(token)) as answer:
                    await answer.read()
                    self.statuses.append(answer.status)
            async with self._round:
                self._round.notify_all()

    async def round(self) -> None:
        """Wait until another hundred requests were answered."""
        goal = len(self.statuses) + REQUESTS_PER_ROUND
        async with asyncio.timeout(HANGS_S), self._round:
            await self._round.wait_for(lambda: len(self.statuses) >= goal)


@contextlib.asynccontextmanager
async def _load(session: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> AsyncIterator[Load]:
    load = Load(session, key, times)
    tasks = [asyncio.create_task(load.work()) for _ in range(8)]
    try:
        yield load
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [] == [result for result in results if not isinstance(result, asyncio.CancelledError)]


async def test_three_rotations_of_a_key_file_fail_no_request(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """The new key signs from the moment that it is in the file; the old ones go on to verify."""
    keys = [key]
    async with resource_service(key_file) as session, _load(session, key, times) as load:
        for number in range(3):
            await load.round()
            keys.insert(0, Key(f"rotated-{number}", seed=bytes([number]) * 32))
            write_keys(key_file, *keys)
            load.keys = list(keys)
        await load.round()

    assert {200} == set(load.statuses)


async def test_three_rotations_and_an_outage_of_a_key_url_fail_no_request(times: dict[str, int]) -> None:
    """While the issuer is down the last good set verifies; a new key is fetched when its first token comes.

    That it is down is known: a token of an unknown key makes the verifier ask in vain, and is no verdict.
    """
    keys, up, refused = [Key(alg="EdDSA")], True, 0
    unknown = bearer(Key("unknown", "EdDSA").token(**times))
    during_outages: list[tuple[int, bool, bool]] = []

    async def jwks(_request: web.Request) -> web.Response:
        nonlocal refused
        if not up:
            refused += 1
            raise web.HTTPServiceUnavailable
        return web.Response(text=json.dumps({"keys": [key.jwk for key in keys]}))

    issuer = web.Application()
    issuer.router.add_get("/jwks.json", jwks)
    async with serving(issuer) as url:
        app = create_app(Settings(jwks_url=str(url / "jwks.json")))
        async with (
            serving(app) as service,
            aiohttp.ClientSession(service) as session,
            _load(session, keys[0], times) as load,
        ):
            for number in range(3):
                up, refused, answered = False, 0, len(load.statuses)
                async with session.get("/home", headers=unknown) as answer:
                    verdict = answer.status
                await load.round()
                during_outages.append((verdict, refused > 0, len(load.statuses) - answered >= REQUESTS_PER_ROUND))
                up = True
                keys.insert(0, Key(f"rotated-{number}", ("EdDSA", "ES256", "RS256")[number]))
                load.keys = list(keys)
                # Until its key is there: whoever waits for it when the next outage begins is rightly told so.
                async with session.get("/home", headers=bearer(keys[0].token(**times))) as answer:
                    load.statuses.append(answer.status)
                await load.round()

    assert [(503, True, True)] * 3 == during_outages
    assert {200} == set(load.statuses)


async def test_a_service_waits_for_an_issuer_that_starts_later(times: dict[str, int]) -> None:
    """Until its keys are there, tokens are answered 503, not called bad; and the service is not ready."""
    key, up = Key(alg="EdDSA"), False

    async def jwks(_request: web.Request) -> web.Response:
        if not up:
            raise web.HTTPServiceUnavailable
        return web.Response(text=json.dumps({"keys": [key.jwk]}))

    issuer = web.Application()
    issuer.router.add_get("/jwks.json", jwks)
    headers = bearer(key.token(**times))
    async with serving(issuer) as url:
        app = create_app(Settings(jwks_url=str(url / "jwks.json")))
        async with serving(app) as service, aiohttp.ClientSession(service) as session:
            early = [(await session.get(path, headers=headers)).status for path in ("/home", "/health/ready", "/")]
            up = True
            async with asyncio.timeout(HANGS_S):
                while (await session.get("/health/ready")).status == 503:
                    pass
            late = (await session.get("/home", headers=headers)).status

    assert ([503, 503, 200], 200) == (early, late)
