"""Whatever ends a session makes its access tokens 401 at the resource service, and no restart loses it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from multidict import CIMultiDictProxy
from yarl import URL

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.models import User as Account
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.running import FAST_HASHER
from tests.deadline import HANGS_S
from tests.system.calls import home, log_in, post, refresh
from tests.system.following import auth_with_feed, follower_of, honoured, revoked, revoked_from_the_start
from tests.system.processes import PASSWORD, Deployment, Service, succeed
from tests.system.proxy import Proxy

Tokens = dict[str, Any]
STALE_AFTER_S = 25  # the least that the settings allow
AGE = "resource_revocations_age_seconds"


class User:
    """A user with two sessions, and an operator at the command line."""

    def __init__(
        self, deployment: Deployment, http: aiohttp.ClientSession, auth: Service, username: str = "zs"
    ) -> None:
        self.deployment, self.http, self.auth, self.username = deployment, http, auth, username
        self.one: Tokens = {}
        self.other: Tokens = {}

    async def log_in_twice(self) -> None:
        """Open both sessions."""
        self.one, self.other = [await log_in(self.http, self.auth, username=self.username) for _ in range(2)]

    async def register(self) -> None:
        """Add the user's account."""
        account = Account(self.username, self.username, f"{self.username}@example.org", "read write")
        async with open_store(str(self.deployment.auth["AUTH_DATABASE_URL"])) as store:
            assert await store.add_user(account, FAST_HASHER.hash(PASSWORD), now=wall_clock())

    async def log_out(self, **members: object) -> None:
        """Log the first session out."""
        body = {"token": self.one["refresh_token"], **members}
        assert (200, {}) == await post(self.http, self.auth.url / "logout", body)

    async def log_out_everywhere(self) -> None:
        """Log out everywhere, from the first session."""
        await self.log_out(everywhere=True)

    async def replay(self) -> None:
        """Present the first session's spent refresh token, as a thief does."""
        token = self.one["refresh_token"]
        for key in ("key-1", "key-2"):
            _, body = await refresh(self.http, self.auth, token, **{"Idempotency-Key": key})
            token = body["refresh_token"]
        assert (400, "reused") == _reason(await refresh(self.http, self.auth, self.one["refresh_token"]))

    async def change_password(self) -> None:
        """Change the password from the other session."""
        body = {"current_password": PASSWORD, "new_password": f"{PASSWORD} anew"}
        async with self.http.post(self.auth.url / "password", json=body, headers=self._bearer()) as response:
            assert 204 == response.status

    async def end_session(self) -> None:
        """End the first session from the other one."""
        sid = await self._first_id()
        async with self.http.delete(self.auth.url / "sessions" / sid, headers=self._bearer()) as response:
            assert 204 == response.status

    async def revoke_session(self) -> None:
        """End the first session on the command line."""
        await succeed("auth_service", "sessions", "revoke", await self._first_id(), settings=self.deployment.auth)

    async def revoke_all_sessions(self) -> None:
        """End all sessions of the user on the command line."""
        await succeed("auth_service", "sessions", "revoke", "--user", self.username, settings=self.deployment.auth)

    async def disable(self) -> None:
        """Disable the user on the command line."""
        await succeed("auth_service", "users", "disable", self.username, settings=self.deployment.auth)

    async def set_password(self) -> None:
        """Set the user's password on the command line."""
        command = ("users", "set-password", self.username)
        await succeed("auth_service", *command, settings=self.deployment.auth, stdin=f"{PASSWORD} anew\n")

    async def _first_id(self) -> str:
        async with self.http.get(self.auth.url / "sessions", headers=self._bearer()) as response:
            [sid] = [session["id"] for session in (await response.json())["sessions"] if not session["current"]]
        return str(sid)

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.other['access_token']}"}


def _reason(answer: tuple[int, Tokens]) -> tuple[int, Any]:
    return answer[0], answer[1].get("reason")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(shared_deployment: Deployment) -> AsyncIterator[tuple[Service, Service]]:
    """An auth service and a resource service that follows it, for tests each of which has a user of its own."""
    async with (
        auth_with_feed(shared_deployment) as auth,
        follower_of(shared_deployment, auth.url) as resource,
    ):
        yield auth, resource


@pytest.mark.parametrize(
    ("end", "ends_all"),
    [
        (User.log_out, False),
        (User.log_out_everywhere, True),
        (User.replay, False),
        (User.change_password, False),
        (User.end_session, False),
        (User.revoke_session, False),
        (User.revoke_all_sessions, True),
        (User.disable, True),
        (User.set_password, True),
    ],
)
async def test_the_end_of_a_session_reaches_the_resource_service(
    shared_deployment: Deployment,
    http: aiohttp.ClientSession,
    services: tuple[Service, Service],
    end: Callable[[User], Awaitable[None]],
    ends_all: bool,
) -> None:
    """An access token that was honoured, and is remembered as good, is refused; a session that goes on is not."""
    auth, resource = services
    user = User(shared_deployment, http, auth, username=end.__name__)
    await user.register()
    await user.log_in_twice()
    for tokens in (user.one, user.other):
        await honoured(http, resource, tokens["access_token"])
    await end(user)

    await revoked(http, resource, user.one["access_token"])
    if ends_all:
        await revoked(http, resource, user.other["access_token"])
    else:
        assert 200 == (await home(http, resource, user.other["access_token"]))[0]


async def test_a_resource_service_that_was_down_has_missed_nothing(
    deployment: Deployment, http: aiohttp.ClientSession
) -> None:
    """What was revoked before it stopped, and while it was down, is refused by the first verdict after its start."""
    async with auth_with_feed(deployment) as auth:
        user = User(deployment, http, auth)
        await user.log_in_twice()
        async with follower_of(deployment, auth.url) as resource:
            await honoured(http, resource, user.other["access_token"])
            await user.log_out()
            await revoked(http, resource, user.one["access_token"])
        await post(http, auth.url / "logout", {"token": user.other["refresh_token"]})
        async with follower_of(deployment, auth.url) as resource:
            await revoked_from_the_start(http, resource, user.one["access_token"])
            await revoked_from_the_start(http, resource, user.other["access_token"])


async def test_a_follower_that_was_cut_off_has_missed_nothing(
    deployment: Deployment, http: aiohttp.ClientSession
) -> None:
    """What was revoked while the feed could not be reached is refused once it can be."""
    async with (
        auth_with_feed(deployment) as auth,
        Proxy(lambda: [auth.url.port or 0], random.Random(1)) as proxy,
        follower_of(deployment, auth.url.with_port(proxy.port)) as resource,
    ):
        user = User(deployment, http, auth)
        await user.log_in_twice()
        await honoured(http, resource, user.one["access_token"])
        await proxy.cut()
        await user.log_out()
        assert 200 == (await home(http, resource, user.one["access_token"]))[0]
        proxy.mend()

        await revoked(http, resource, user.one["access_token"])


async def test_a_restart_of_the_auth_service_loses_nothing(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """What it revoked before it stopped, heard of or not, is refused while its successor runs."""
    ports: list[int] = []
    async with (
        Proxy(lambda: ports, random.Random(1)) as proxy,
        follower_of(deployment, URL(proxy.url)) as resource,
    ):
        async with auth_with_feed(deployment) as auth:
            ports = [auth.url.port or 0]
            user = User(deployment, http, auth)
            await user.log_in_twice()
            await honoured(http, resource, user.other["access_token"])
            await user.log_out()
            await revoked(http, resource, user.one["access_token"])
            await proxy.cut()
            await post(http, auth.url / "logout", {"token": user.other["refresh_token"]})
        async with auth_with_feed(deployment) as successor:
            ports = [successor.url.port or 0]
            proxy.mend()

            await revoked(http, resource, user.other["access_token"])
            await revoked_from_the_start(http, resource, user.one["access_token"])


async def test_what_one_process_revokes_the_follower_of_another_hears(
    deployment: Deployment, http: aiohttp.ClientSession
) -> None:
    """Two auth services on one database tell the same."""
    async with (
        auth_with_feed(deployment) as one,
        auth_with_feed(deployment) as other,
        follower_of(deployment, other.url) as resource,
    ):
        user = User(deployment, http, one)
        await user.log_in_twice()
        await honoured(http, resource, user.one["access_token"])
        await user.log_out()

        await revoked(http, resource, user.one["access_token"])


async def test_a_feed_that_is_silent_too_long_closes_the_service_or_not(
    deployment: Deployment, http: aiohttp.ClientSession
) -> None:
    """While the auth service is down, `closed` answers 503 and is not ready, `open` honours tokens and is.

    Both show for how long it has been silent; when it is back, both honour tokens.
    """
    ports: list[int] = []
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy(lambda: ports, random.Random(1)))
        closed, open_ = [
            await stack.enter_async_context(
                follower_of(
                    deployment,
                    URL(proxy.url),
                    RESOURCE_REVOCATIONS_STALE=stale,
                    RESOURCE_REVOCATIONS_STALE_AFTER_S=STALE_AFTER_S,
                )
            )
            for stale in ("closed", "open")
        ]
        async with auth_with_feed(deployment) as auth:
            ports = [auth.url.port or 0]
            token = (await log_in(http, auth))["access_token"]
            await honoured(http, closed, token)
            await _heard(http, open_)
        status, headers = await _closed(http, closed, token)
        for each in (closed, open_):
            await _silent_for(http, each, STALE_AFTER_S)
        while_silent = [await _seen(http, each, token) for each in (closed, open_)]
        async with auth_with_feed(deployment) as successor:
            ports = [successor.url.port or 0]
            await honoured(http, closed, token)
            after = [await _seen(http, each, token) for each in (closed, open_)]

    assert (503, True) == (status, "Retry-After" in headers)
    assert [(503, 503, False), (200, 200, True)] == while_silent
    assert [(200, 200, True)] * 2 == after


async def _heard(http: aiohttp.ClientSession, resource: Service) -> None:
    """Return once the feed has answered."""
    async with asyncio.timeout(HANGS_S):
        while True:
            async with http.get(resource.url / "health" / "ready") as response:
                if (await response.json())["revocations_age_s"] is not None:
                    return
            await asyncio.sleep(0.05)


async def _closed(
    http: aiohttp.ClientSession, resource: Service, access_token: str
) -> tuple[int, CIMultiDictProxy[str]]:
    """Return status and headers of the first answer that is not 200."""
    async with asyncio.timeout(HANGS_S):
        while True:
            headers = {"Authorization": f"Bearer {access_token}"}
            async with http.get(resource.url / "home", headers=headers) as response:
                if response.status != 200:
                    return response.status, response.headers
            await asyncio.sleep(0.1)


async def _seen(http: aiohttp.ClientSession, resource: Service, access_token: str) -> tuple[int, int, bool]:
    """Return the status for a caller, that of readiness, and whether revocations are in order."""
    status = (await home(http, resource, access_token))[0]
    async with http.get(resource.url / "health" / "ready") as response:
        return status, response.status, (await response.json())["checks"]["revocations"]


async def _silent_for(http: aiohttp.ClientSession, resource: Service, seconds: float) -> None:
    """Return once the gauge shows that the feed last answered so long ago."""
    async with asyncio.timeout(HANGS_S):
        while await _age_s(http, resource) < seconds:  # noqa: ASYNC110 - each look is a request
            await asyncio.sleep(0.1)


async def _age_s(http: aiohttp.ClientSession, resource: Service) -> float:
    """Return the gauge of the seconds since the feed last answered."""
    async with http.get(resource.url / "metrics") as response:
        [line] = [line for line in (await response.text()).splitlines() if line.startswith(f"{AGE} ")]
    return float(line.rpartition(" ")[2])
