from pathlib import Path

import aiohttp

from tests.resource_service.issuer import Key, write_keys
from tests.resource_service.services import resource_service


async def test_liveness_asks_for_nothing(service: aiohttp.ClientSession) -> None:
    """The process answers: that is all."""
    async with service.get("/health/live") as answer:
        assert (200, {"status": "live"}) == (answer.status, await answer.json())


async def test_a_service_with_keys_is_ready(service: aiohttp.ClientSession) -> None:
    """Tokens can be verified."""
    async with service.get("/health/ready") as answer:
        assert (200, {"status": "ready", "checks": {"keys": True}}) == (answer.status, await answer.json())


async def test_a_broken_key_file_keeps_the_service_ready(key_file: Path) -> None:
    """The last good set goes on to verify."""
    async with resource_service(key_file) as session:
        write_keys(key_file, Key().jwk | {"k": "short"})
        async with session.get("/health/ready") as answer:
            assert 200 == answer.status
