"""Requests that are processed long after their client gave them up."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.system.deployment import Sqlite, deployed
from tests.system.eventually import eventually
from tests.system.honest import present


async def test_a_request_that_its_client_left_behind_ends_nothing(tmp_path: Path) -> None:
    """Delayed until its client has hung up, retried elsewhere and gone on, a request looks like a replay: it is none.

    The client then goes on; a spent token whose presenter waits for the answer still ends the session.
    """
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), 2) as deployment, aiohttp.ClientSession() as http:
        (token,) = await deployment.seed(1)
        stopped, other = deployment.processes
        with stopped.paused():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await present(http, stopped.url, token, "key-1")
            second = await present(http, other.url, token, "key-1")
            third = await present(http, other.url, second.successor, "key-2")
        await eventually(lambda: 1 == len(stopped.events("rotation.abandoned")))
        fourth = await present(http, stopped.url, third.successor, "key-3")
        replay = await present(http, stopped.url, token, "key-1")

    assert (200, 200, 200) == (second.status, third.status, fourth.status)
    assert "reused" == replay.reason
