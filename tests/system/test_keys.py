"""Keys change while both services run."""

import asyncio
import json
from base64 import urlsafe_b64decode
from pathlib import Path

import aiohttp
import pytest

from tests.deadline import HANGS_S
from tests.system.calls import home, log_in, refresh
from tests.system.processes import Deployment, Service, succeed


def kid_of(access_token: str) -> str:
    """Return the key id in a JWT's header."""
    text = access_token.partition(".")[0]
    return str(json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))["kid"])


async def refreshed_with_another_key(http: aiohttp.ClientSession, auth: Service, token: str, kid: str) -> str:
    """Refresh until another key signs; return that access token. Every refresh on the way must be granted."""
    async with asyncio.timeout(HANGS_S):
        while True:
            status, body = await refresh(http, auth, token)
            assert 200 == status, body
            if kid_of(body["access_token"]) != kid:
                return str(body["access_token"])
            token = body["refresh_token"]
            await asyncio.sleep(0.1)


async def test_a_rotation_of_keys_fails_no_request(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """After `keys rotate`, old tokens of both kinds are good, and new ones are at once, at every verifier."""
    async with deployment.auth_service() as auth, deployment.resource_service() as resource:
        first = await log_in(http, auth)
        await home(http, resource, first["access_token"])
        await succeed("auth_service", "keys", "rotate", settings=deployment.auth)
        fresh = await refreshed_with_another_key(http, auth, first["refresh_token"], kid_of(first["access_token"]))

        assert 200 == (await home(http, resource, fresh))[0]
        assert 200 == (await home(http, resource, first["access_token"]))[0]


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_with_a_key_pair_resource_services_need_no_secret(
    deployment: Deployment, http: aiohttp.ClientSession, tmp_path: Path, algorithm: str
) -> None:
    """The resource service verifies with the public half that the auth service publishes."""
    folder = tmp_path / "pair"
    await succeed("auth_service", "keys", "init", "--dir", str(folder), "--algorithm", algorithm, settings={})
    async with deployment.auth_service(AUTH_ACCESS_KEYS=folder / "access.jwks.json") as auth:
        jwks_url = auth.url / ".well-known" / "jwks.json"
        async with deployment.resource_service(RESOURCE_KEYS="", RESOURCE_JWKS_URL=jwks_url) as resource:
            token = (await log_in(http, auth))["access_token"]

            assert 200 == (await home(http, resource, token))[0]
