"""``/metrics`` of an auth service with several workers: whichever is asked tells the sum of all."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deadline import HANGS_S
from tests.postgresql import children
from tests.system.calls import post
from tests.system.deployment import PASSWORD, USERNAME, Deployment, Sqlite, deployed
from tests.system.eventually import eventually
from tests.system.honest import present

_WORKERS = 2
_LOGINS, _REFRESHES = 3, 40
_SCRAPES = 20  # as each takes a connection of its own, both workers are asked


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose every request is a new connection, so that any worker may get it."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield session


async def scrape(http: aiohttp.ClientSession, url: str) -> dict[str, float]:
    """Ask one worker; return what was counted: log-ins, rotations, sizes of batches, requests."""
    async with http.get(f"{url}/metrics") as answer:
        text = await answer.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    posts = [one for one in samples if one.labels.get("method") == "POST"]
    return {
        "logins": sum(one.value for one in samples if one.name == "auth_logins_total"),
        "rotations": sum(one.value for one in samples if one.name == "auth_rotations_total"),
        "in batches": sum(one.value for one in samples if one.name == "auth_rotation_batch_size_sum"),
        "requests": sum(one.value for one in posts if one.name == "auth_request_duration_seconds_count"),
    }


async def drive(http: aiohttp.ClientSession, deployment: Deployment, tokens: list[str]) -> None:
    """Log in and refresh, over new connections."""
    url = deployment.processes[0].url
    for _ in range(_LOGINS):
        assert 200 == (await post(http, f"{url}/login", {"username": USERNAME, "password": PASSWORD}))[0]
    for token in tokens:
        assert 200 == (await present(http, url, token, "the-key")).status


def sums(times: int) -> dict[str, float]:
    """Return what must have been counted after that many drives."""
    refreshes = float(_REFRESHES * times)
    logins = float(_LOGINS * times)
    return {"logins": logins, "rotations": refreshes, "in batches": refreshes, "requests": refreshes + logins}


async def settled(http: aiohttp.ClientSession, url: str, expected: dict[str, float]) -> None:
    """Return once everybody tells *expected*: what a worker tells may be a second old, if it told it before."""
    since_s = time.monotonic()
    async with asyncio.timeout(HANGS_S):
        while time.monotonic() <= since_s + 1:
            if expected != await scrape(http, url):
                since_s = time.monotonic()


async def test_the_counts_of_all_workers_add_up(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Whoever answers tells the exact sum; a worker that was killed and replaced takes none of it away."""
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), AUTH_WORKERS=str(_WORKERS)) as deployment:
        tokens = await deployment.seed(2 * _REFRESHES)
        master, url = deployment.processes[0].pid, deployment.processes[0].url
        await drive(http, deployment, tokens[:_REFRESHES])
        await settled(http, url, sums(1))
        told = [await scrape(http, url) for _ in range(_SCRAPES)]
        victim = children(master)[0]
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: len(children(master)) == _WORKERS and victim not in children(master))
        after_the_kill = [await scrape(http, url) for _ in range(_SCRAPES)]
        await drive(http, deployment, tokens[_REFRESHES:])
        await settled(http, url, sums(2))
        at_the_end = [await scrape(http, url) for _ in range(_SCRAPES)]

    assert [sums(1)] * _SCRAPES == told
    assert [sums(1)] * _SCRAPES == after_the_kill
    assert [sums(2)] * _SCRAPES == at_the_end


async def test_the_hashing_queue_of_all_workers_is_one_number(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """The gauge is the sum over the workers that live: no worker's id is a label."""
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), AUTH_WORKERS=str(_WORKERS)) as deployment:
        await deployment.seed(1)
        await drive(http, deployment, [])
        async with http.get(f"{deployment.processes[0].url}/metrics") as answer:
            text = await answer.text()

    assert ["auth_hashing_queue 0.0"] == re.findall(r"^auth_hashing_queue.*$", text, re.MULTILINE)
