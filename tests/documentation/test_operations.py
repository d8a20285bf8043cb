"""The commands of docs/operations.md that need no Docker engine, run for real."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth_service.keys import read_key_file
from tests.documentation.blocks import block
from tests.documentation.shell import run
from tests.system.processes import PASSWORD, Deployment, deployment_in, prepare

SECRET = secrets.token_hex(32)


@pytest.fixture
async def deployment(tmp_path: Path) -> Deployment:
    """Keys, a database and the user ``zs``."""
    deployment = deployment_in(tmp_path)
    await prepare(deployment)
    return deployment


@pytest.fixture
async def addresses(deployment: Deployment) -> AsyncIterator[dict[str, str]]:
    """Both services at work: where the page's addresses are here."""
    async with deployment.auth_service(AUTH_SERVICE_SECRET=SECRET) as auth:
        feed = {"RESOURCE_REVOCATIONS_URL": auth.url / "revocations", "RESOURCE_SERVICE_SECRET": SECRET}
        async with deployment.resource_service(**feed) as resource:
            yield {
                "http://localhost:8001": str(auth.url.origin()),
                "http://localhost:8002": str(resource.url.origin()),
            }


async def test_what_is_asked_by_hand(tmp_path: Path, addresses: dict[str, str]) -> None:
    """Each ``curl`` of the page gets the answer that stands beside it."""
    health, session = block("docs/operations.md: Ask by hand"), block("docs/operations.md: Ask by hand (2)")
    await asyncio.to_thread(run, health, tmp_path, replacing=addresses)
    env = dict(zip(("AUTH", "API"), addresses.values(), strict=True)) | {"SECRET": SECRET}
    *_, feed = await asyncio.to_thread(run, session, tmp_path, env=env, stdin=f"{PASSWORD}\n")

    assert ["reuse"] == [revoked["reason"] for revoked in json.loads(feed)["revoked"]]


async def test_keys_are_changed(tmp_path: Path, deployment: Deployment) -> None:
    """List, rotate, retire: in the end one key is new, and the one that was named is gone."""
    files = [tmp_path / "keys" / f"{name}.jwks.json" for name in ("access", "refresh")]
    [old] = (key["kid"] for key in read_key_file(files[0]))
    commands = block("docs/operations.md: Change keys")
    await asyncio.to_thread(run, commands, tmp_path, env=deployment.auth, replacing={"KID": old})

    assert [1, 2] == [len(read_key_file(file)) for file in files]
    assert old not in {key["kid"] for key in read_key_file(files[0])}
