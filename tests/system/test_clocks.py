"""Machines that tell different times: replicas of one PostgreSQL, and a SQLite file that remembers another year."""

from pathlib import Path

import aiohttp
import pytest

from tests.documentation.blocks import block
from tests.documentation.shell import run as run_block
from tests.system.calls import log_in
from tests.system.clocks import restart
from tests.system.deployment import deployed, postgres
from tests.system.honest import present
from tests.system.processes import Deployment, succeed
from tests.system.test_held_rows import session_id

_SECRET = "a secret of services, long enough"
_OF_SERVICES = {"Authorization": f"Bearer {_SECRET}"}


@pytest.mark.parametrize("ahead_s", [-200, -20, 200])
async def test_what_one_replica_did_is_now_to_the_other(
    tmp_path: Path, http: aiohttp.ClientSession, ahead_s: int
) -> None:
    """A lost answer is repeated without a key at any replica; a follower hears of log-outs and commands anywhere."""
    with postgres() as database:
        async with deployed(tmp_path, database, 2, AUTH_SERVICE_SECRET=_SECRET, AUTH_GRACE_S="60") as deployment:
            wrong, right = deployment.processes
            await restart(wrong, ahead_s)
            *tokens, left, ended = await deployment.seed(4)
            pairs = [
                [await present(http, process.url, token) for process in order]
                for token, order in zip(tokens, [(wrong, right), (right, wrong)], strict=True)
            ]
            feed = right.url / "revocations"
            async with http.get(feed, headers=_OF_SERVICES) as answer:
                cursor = (await answer.json())["cursor"]
            async with http.post(wrong.url / "logout", json={"token": left}) as answer:
                assert 200 == answer.status
            await succeed("auth_service", "sessions", "revoke", session_id(ended), settings=wrong.settings)
            async with http.get(feed, params={"after": cursor}, headers=_OF_SERVICES) as answer:
                heard = {entry["sid"] for entry in (await answer.json())["revoked"]}

    for first, second in pairs:
        assert (200, first.successor) == (second.status, second.successor)
    assert {session_id(left), session_id(ended)} <= heard


async def test_rows_of_a_year_to_come_are_brought_back_as_the_page_says(
    deployment: Deployment, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """A log-in while the clock was ahead closes the service when it is right; the command opens it for everybody."""
    async with deployment.auth_service() as service:
        await restart(service, 365 * 86_400)
        token = (await log_in(http, service))["refresh_token"]
        await restart(service, 0)
        closed = await present(http, service.url, token)
        await service.stop()
        path = {"var/auth.db": str(deployment.database)}
        run_block(block("docs/operations.md: Clocks"), tmp_path, replacing=path)
        await service.start()
        opened = await present(http, service.url, token)

    assert (503, 200) == (closed.status, opened.status)
