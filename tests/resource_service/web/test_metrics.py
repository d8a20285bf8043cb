import asyncio
from pathlib import Path

import aiohttp
from yarl import URL

from tests.deadline import HANGS_S
from tests.resource_service.issuer import Key
from tests.resource_service.processes import resource_process
from tests.resource_service.services import bearer


async def test_outcomes_are_counted(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """What became of each request that needed a token, and nothing about who sent it."""
    good = bearer(key.token(**times))
    for headers in (good, good, {}, bearer(key.token()), bearer("x")):
        await (await service.get("/home", headers=headers)).read()
    for scope in ("read", "write", "read"):
        await (await service.post("/echo", headers=bearer(key.token(scope=scope, **times)))).read()
    async with service.get("/metrics") as answer:
        text = await answer.text()

    assert [] == [
        line
        for line in (
            'resource_authentications_total{outcome="accepted"} 3.0',
            'resource_authentications_total{outcome="insufficient_scope"} 2.0',
            'resource_authentications_total{outcome="missing"} 1.0',
            'resource_authentications_total{outcome="invalid"} 2.0',
            "resource_keys 1.0",
            "resource_keys_refused 0.0",
            "resource_cached_tokens 3.0",
            'resource_token_cache_lookups_total{result="hit"} 2.0',
            'resource_token_cache_lookups_total{result="miss"} 5.0',
        )
        if line not in text.splitlines()
    ]
    assert "zs" not in text


async def test_a_token_is_remembered_once(service: aiohttp.ClientSession, key: Key, times: dict[str, int]) -> None:
    """In one spelling: nobody can push others out of the cache by respelling the scheme of a single token."""
    token = key.token(**times)
    for scheme in ("Bearer", "bearer", "BEARER", "Bearer ", "Bearer  "):
        async with service.get("/home", headers={"Authorization": f"{scheme} {token}"}) as answer:
            assert 200 == answer.status
    async with service.get("/metrics") as answer:
        text = await answer.text()

    assert {"resource_cached_tokens 1.0", 'resource_authentications_total{outcome="accepted"} 5.0'} <= set(
        text.splitlines()
    )


async def test_the_numbers_of_all_workers_add_up(key_file: Path, key: Key, times: dict[str, int]) -> None:
    """Whichever worker is asked tells the sum."""
    headers = bearer(key.token(**times)) | {"Connection": "close"}
    async with resource_process(keys=key_file, workers=2) as process, aiohttp.ClientSession() as session:
        for _ in range(20):
            await (await session.get(process.url / "home", headers=headers)).read()
        await _told(session, process.url / "metrics", 'outcome="accepted"} 20.0')

        assert (0, "") == (await process.stop())[:2]


async def _told(session: aiohttp.ClientSession, metrics: URL, line_end: str) -> None:
    """Return once the metrics hold a line that ends so: the other worker tells within a second."""
    async with asyncio.timeout(HANGS_S):
        while True:
            if line_end in await (await session.get(metrics)).text():
                return
            await asyncio.sleep(0.02)
