"""Many rotations share one transaction, in a service as it runs in production."""

import asyncio
from pathlib import Path

import aiohttp

from tests.system.counters import scraped, total
from tests.system.deployment import Sqlite, deployed
from tests.system.honest import present

_CLIENTS, _ROUNDS = 64, 20
_FEW = 4  # a fraction of what callers who all wait for the database could share


async def test_concurrent_rotations_share_transactions(tmp_path: Path) -> None:
    """Of 64 clients that refresh again and again, far more than one is served by each transaction."""
    database = Sqlite(tmp_path / "auth.db")
    async with (
        deployed(tmp_path, database) as deployment,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
    ):
        url = deployment.processes[0].url

        async def chain(token: str) -> None:
            for number in range(_ROUNDS):
                token = (await present(http, url, token, f"key-{number}")).successor

        await asyncio.gather(*map(chain, await deployment.seed(_CLIENTS)))
        samples = await scraped(http, url)

    rotations = total(samples, "auth_rotation_batch_size_sum")

    assert _CLIENTS * _ROUNDS == rotations == total(samples, "auth_rotations_total", outcome="rotated")
    assert _FEW < rotations / total(samples, "auth_rotation_batch_size_count")
