"""A resource service that follows the auth service's revocations, and what its callers see."""

import asyncio
from contextlib import AbstractAsyncContextManager

import aiohttp
from yarl import URL

from tests.deadline import HANGS_S
from tests.system.calls import home
from tests.system.processes import Deployment, Service

SECRET = "the secret that both services know"


def auth_with_feed(deployment: Deployment, **settings: object) -> AbstractAsyncContextManager[Service]:
    """Run an auth service that tells of revocations."""
    return deployment.auth_service(AUTH_SERVICE_SECRET=SECRET, **settings)


def follower_of(deployment: Deployment, auth: URL, **settings: object) -> AbstractAsyncContextManager[Service]:
    """Run a resource service that follows the feed at *auth*."""
    feed = {"RESOURCE_REVOCATIONS_URL": auth / "revocations", "RESOURCE_SERVICE_SECRET": SECRET}
    return deployment.resource_service(**feed, **settings)


async def honoured(http: aiohttp.ClientSession, resource: Service, access_token: str) -> None:
    """Return once the resource service has heard the feed and honours the token."""
    assert (200, "") == await _verdict(http, resource, access_token, passing={503})


async def revoked(http: aiohttp.ClientSession, resource: Service, access_token: str) -> None:
    """Return once the token is refused as revoked; until then, it is honoured or cannot be judged."""
    status, challenge = await _verdict(http, resource, access_token, passing={200, 503})
    assert (401, True) == (status, 'error_description="revoked"' in challenge), challenge


async def revoked_from_the_start(http: aiohttp.ClientSession, resource: Service, access_token: str) -> None:
    """Return once a service that has just started refuses the token as revoked; it must never honour it."""
    status, challenge = await _verdict(http, resource, access_token, passing={503})
    assert (401, True) == (status, 'error_description="revoked"' in challenge), challenge


async def _verdict(
    http: aiohttp.ClientSession, resource: Service, access_token: str, *, passing: set[int]
) -> tuple[int, str]:
    """Call until the status is none of *passing*: another process's memory offers nothing to wait on."""
    async with asyncio.timeout(HANGS_S):
        while True:
            status, _, challenge = await home(http, resource, access_token)
            if status not in passing:
                return status, challenge
            await asyncio.sleep(0.02)
