"""Keys of both kinds change three times and the auth service restarts, while clients call every endpoint."""

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.keys.jwk_file import read_key_file
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.tokens.access import AccessTokens
from tests.deadline import HANGS_S
from tests.system.calls import home, log_in, post
from tests.system.following import auth_with_feed, follower_of, honoured
from tests.system.key_load import AUTH, LOGIN, Load, load
from tests.system.processes import Deployment, Service, succeed
from tests.system.proxy import Proxy

CALLERS = 3
ROUNDS = 5  # at least: after each rotation, after the restart, and in the end
ANSWERED = {
    "GET /home": CALLERS,
    "POST /echo": CALLERS,
    "GET /health/ready": CALLERS,
    f"{AUTH} GET /sessions": CALLERS,
    f"{AUTH} POST /introspect": CALLERS,
    f"{AUTH} GET /.well-known/jwks.json": CALLERS,
    f"{AUTH} GET /health/ready": CALLERS,
    LOGIN: 1,
}


def kids(deployment: Deployment, which: str) -> list[str]:
    """Return the key ids of a file, the signing one first."""
    return [key["kid"] for key in read_key_file(Path(str(deployment.auth[which])))]


def long_lived_token(deployment: Deployment) -> str:
    """Return an access token of the key that signs now, which lives for longer than the test."""
    keys = read_key_file(Path(str(deployment.auth["AUTH_ACCESS_KEYS"])))
    defaults = Settings.model_fields
    tokens = AccessTokens(keys, issuer=defaults["issuer"].default, audience=defaults["audience"].default, ttl_s=3600)
    user, now = User("u", "zs", "zs@example.org", "read write"), wall_clock()
    return tokens.mint(Session(new_session_id(), user, 0, now, None, now, now), now)


async def command(deployment: Deployment, *arguments: str) -> None:
    """Run ``python -m auth_service keys …``, as an operator does."""
    await succeed("auth_service", "keys", *arguments, settings=deployment.auth)


async def rotate(deployment: Deployment, load_: Load) -> None:
    """Rotate keys of both kinds; return once every caller has gone on to the new ones."""
    await command(deployment, "rotate")
    await load_.signed_by(kids(deployment, "AUTH_ACCESS_KEYS")[0])


async def is_forged(http: aiohttp.ClientSession, auth: URL, token: str) -> bool:
    """Whether the auth service takes a refresh token for none of its own; asking for too much scope spends nothing."""
    status, body = await post(http, auth / "refresh", {"refresh_token": token, "scope": "more than anybody has"})
    assert (400, True) == (status, body["error"] in {"invalid_grant", "invalid_scope"})
    return body.get("reason") == "malformed"


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once *holds*: another process's memory offers nothing to wait on."""
    async with asyncio.timeout(HANGS_S):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.05)


async def is_refused(http: aiohttp.ClientSession, resource: Service, access_token: str) -> bool:
    """Ask the resource service about a token; it must call it good, or one that nobody signed."""
    status, _, challenge = await home(http, resource, access_token)
    assert status == 200 or 'error_description="invalid"' in challenge, challenge
    return status == 401


class Site:
    """An auth service that can be restarted; callers reach it through a proxy, wherever it is."""

    def __init__(self, deployment: Deployment, stack: AsyncExitStack, **settings: Any) -> None:
        self.deployment, self._settings = deployment, settings
        self._auth_stack, self._ports = AsyncExitStack(), list[int]()
        self.proxy = Proxy(lambda: self._ports, random.Random(1))
        stack.push_async_exit(self._auth_stack)

    async def start(self) -> Service:
        """Start the auth service."""
        service = await self._auth_stack.enter_async_context(auth_with_feed(self.deployment, **self._settings))
        self._ports = [service.port]
        return service

    async def restart(self, load_: Load) -> None:
        """SIGTERM, the end, and a new start; return once every caller has refreshed and called every endpoint again."""
        load_.tally.auth_may_be_down = True
        await self._auth_stack.aclose()
        await self.start()
        await load_.signed_by(kids(self.deployment, "AUTH_ACCESS_KEYS")[0])
        load_.tally.auth_may_be_down = False


async def with_key_pair(deployment: Deployment) -> Deployment:
    """Let the auth service sign with an Ed25519 key, and publish the public half."""
    folder = deployment.folder / "pair"
    await succeed("auth_service", "keys", "init", "--dir", str(folder), "--algorithm", "EdDSA", settings={})
    files = {f"AUTH_{name.upper()}_KEYS": folder / f"{name}.jwks.json" for name in ("access", "refresh")}
    return dataclasses.replace(deployment, auth={**deployment.auth, **files})


@pytest.mark.parametrize(("keys", "workers"), [("shared key", 1), ("key pair", 2)])
async def test_three_rotations_and_a_restart_fail_no_request(
    deployment: Deployment, http: aiohttp.ClientSession, keys: str, workers: int
) -> None:
    """No call fails and nobody is logged out; what a retired key signed is refused, remembered or not."""
    if keys == "key pair":
        deployment = await with_key_pair(deployment)
    async with AsyncExitStack() as stack:
        site = Site(deployment, stack, AUTH_WORKERS=workers)
        auth = URL((await stack.enter_async_context(site.proxy)).url)
        service = await site.start()
        by_url = {"RESOURCE_KEYS": "", "RESOURCE_JWKS_URL": auth / ".well-known" / "jwks.json"}
        follower = follower_of(deployment, auth, **(by_url if keys == "key pair" else {}))
        resource = await stack.enter_async_context(follower)
        old_access = long_lived_token(deployment)
        old_refresh = (await log_in(http, service))["refresh_token"]
        await honoured(http, resource, old_access)
        load_ = await stack.enter_async_context(load(auth, resource.url, CALLERS))

        for number in range(3):
            await rotate(deployment, load_)
            if number == 1:
                await site.restart(load_)
        before = [await is_refused(http, resource, old_access), await is_forged(http, auth, old_refresh)]
        async with load_.at_rest():
            await command(deployment, "retire", "--force", kids(deployment, "AUTH_REFRESH_KEYS")[-1])
            await until(lambda: is_forged(http, auth, old_refresh))
            await command(deployment, "retire", "--force", kids(deployment, "AUTH_ACCESS_KEYS")[-1])
            await until(lambda: is_refused(http, resource, old_access))
        await load_.round()

    assert [] == load_.tally.failures
    assert [False, False] == before
    assert 4 * CALLERS <= load_.refreshes  # each caller went on to each key, and over the restart
    assert [] == [name for name, by in ANSWERED.items() if load_.tally.answered[name] < ROUNDS * by]
