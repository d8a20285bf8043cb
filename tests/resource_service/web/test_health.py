import asyncio
from pathlib import Path

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key, write_keys
from tests.resource_service.services import bearer, resource_service, serving

AGE = "resource_revocations_age_seconds"


async def gauge(session: aiohttp.ClientSession, name: str) -> float:
    """Return a number without labels."""
    async with session.get("/metrics") as answer:
        [line] = [line for line in (await answer.text()).splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


async def reached(session: aiohttp.ClientSession, name: str, value: float) -> None:
    """Return once a number is at least this value: the key file is looked at each second, and so are the numbers."""
    async with asyncio.timeout(HANGS_S):
        while True:
            if await gauge(session, name) >= value:
                return
            await asyncio.sleep(0.02)


async def test_liveness_asks_for_nothing(service: aiohttp.ClientSession) -> None:
    """The process answers: that is all."""
    async with service.get("/health/live") as answer:
        assert (200, {"status": "live"}) == (answer.status, await answer.json())


async def test_a_service_with_keys_is_ready(service: aiohttp.ClientSession) -> None:
    """Tokens can be verified."""
    async with service.get("/health/ready") as answer:
        assert (200, {"status": "ready", "checks": {"keys": True}}) == (answer.status, await answer.json())


async def test_a_broken_key_file_keeps_the_service_ready(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """Once the file was found to be of no use, the last good set goes on to verify."""
    async with resource_service(key_file) as session:
        write_keys(key_file, Key().jwk | {"k": "short"})
        await reached(session, "resource_keys_refused", 1)
        ready = (await session.get("/health/ready")).status
        accepted = (await session.get("/home", headers=bearer(key.token(**times)))).status

    assert (200, 200) == (ready, accepted)


async def test_readiness_shows_how_long_the_feed_has_been_silent(key_file: Path) -> None:
    """Nothing before its first answer; the gauge counts from the start by then, so that it hides nobody."""
    may_answer, asked_again = asyncio.Event(), asyncio.Event()

    async def revocations(request: web.Request) -> web.Response:
        if "after" in request.query:
            asked_again.set()
            await asyncio.Event().wait()
        await may_answer.wait()
        return web.json_response({"cursor": "c", "revoked": []})

    feed = web.Application()
    feed.router.add_get("/revocations", revocations)
    async with serving(feed) as url:
        settings = {"revocations_url": str(url / "revocations"), "service_secret": SecretStr("hush")}
        async with resource_service(key_file, **settings) as session:
            early = await (await session.get("/health/ready")).json()
            early_gauge = await gauge(session, AGE)
            await reached(session, AGE, early_gauge + 0.001)
            may_answer.set()
            await asyncio.wait_for(asked_again.wait(), HANGS_S)
            late = await (await session.get("/health/ready")).json()
            await reached(session, AGE, late["revocations_age_s"])

    assert {"keys": True, "revocations": False} == early["checks"]
    assert None is early["revocations_age_s"]
    assert 0 <= early_gauge
    assert {"keys": True, "revocations": True} == late["checks"]
    assert 0 <= late["revocations_age_s"]
