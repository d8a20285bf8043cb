"""A host that has other things to do: eight processes that never rest on each core, as real as any."""

import asyncio

import aiohttp

from tests.busy_loops import busy_loops
from tests.deadline import HANGS_S
from tests.system.calls import log_in
from tests.system.processes import PASSWORD, Deployment, Service

TIMEOUT = aiohttp.ClientTimeout(total=HANGS_S)


async def send(http: aiohttp.ClientSession, auth: Service, path: str, body: object, **headers: str) -> int:
    """Return the status of an answer; whatever it takes, there is one."""
    async with http.post(auth.url / path, json=body, headers=headers, timeout=TIMEOUT) as response:
        return response.status


async def test_every_log_in_is_answered_on_a_busy_host(deployment: Deployment, http: aiohttp.ClientSession) -> None:
    """A log-in or change of password is decided or told to come back, and who comes back gets in."""
    async with deployment.auth_service() as auth:
        bearer = f"Bearer {(await log_in(http, auth))['access_token']}"
        right, wrong = {"username": "zs", "password": PASSWORD}, {"username": "nobody", "password": PASSWORD}
        change = {"current_password": PASSWORD, "new_password": "20242024202420242024"}
        with busy_loops(on_a_core=8):
            logins = [send(http, auth, "login", right) for _ in range(6)]
            guesses = [send(http, auth, "login", wrong) for _ in range(6)]
            changes = [send(http, auth, "password", change, Authorization=bearer) for _ in range(3)]
            answers = [set(await asyncio.gather(*calls)) for calls in (logins, guesses, changes)]
            async with asyncio.timeout(HANGS_S):
                while (status := await send(http, auth, "login", right)) == 503:  # noqa: ASYNC110 - each look is a request
                    await asyncio.sleep(1)

    assert answers[0] <= {200, 503}
    assert answers[1] <= {401, 503}
    assert answers[2] <= {400, 503}
    assert 200 == status
