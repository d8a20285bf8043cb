"""PostgreSQL fails over to a standby while clients refresh."""

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import aiohttp
from yarl import URL

from tests.deadline import HANGS_S
from tests.system.deployment import Deployment, deployed
from tests.system.eventually import eventually
from tests.system.honest import UNAVAILABLE, Answer, present
from tests.system.replication import Replicated, replicated
from tests.system.storm import Plan, weather

_SEED = int(os.environ.get("CHAOS_SEED", "1"))
_MISSED, _CAUGHT_UP = 60, 10  # rotations
_PAUSE_S = 0.1


async def _fails_over(deployment: Deployment, plan: Plan, _rng: random.Random, counts: Counter[str]) -> None:
    """Lose the primary in the middle of it all."""
    assert isinstance(deployment.database, Replicated)
    await _more(counts, "rotations", plan.sessions)
    if plan.loses_writes:
        await deployment.database.link.cut()
        await _more(counts, "rotations", _MISSED)
    counts["kills of the database"] += 1
    await deployment.database.fail_over()
    await _more(counts, "rotations", plan.sessions)
    if plan.loses_writes:
        await eventually(lambda: deployment.count("rotation.caught_up") >= _CAUGHT_UP, HANGS_S)


async def _more(counts: Counter[str], name: str, number: int) -> None:
    """Return once so many more were counted."""
    goal = counts[name] + number
    await eventually(lambda: counts[name] >= goal, HANGS_S)


async def _metric(http: aiohttp.ClientSession, deployment: Deployment, line: str) -> float:
    """Return the sum of a metric over all processes."""
    total = 0.0
    for process in deployment.processes:
        async with http.get(f"{process.url}/metrics") as response:
            text = await response.text()
        total += sum(float(found.split()[-1]) for found in text.splitlines() if found.startswith(line))
    return total


async def test_a_synchronous_standby_takes_over_without_loss(tmp_path: Path) -> None:
    """Each answered rotation is on the standby: promoted, it goes on where the killed primary stopped."""
    plan = Plan(_SEED, seconds=0, sessions=60)
    async with replicated(synchronous=True) as database, deployed(tmp_path, database, 2) as deployment:
        report = await weather(deployment, plan, _fails_over)

    assert [] == report.violations, str(report)
    assert report.counts["kills of the database"] == 1


async def test_an_asynchronous_standby_takes_over_and_catches_up(tmp_path: Path) -> None:
    """The standby missed the newest rotations: their clients stay in, and spent tokens still end their session."""
    plan = Plan(_SEED, seconds=0, sessions=60, loses_writes=True)
    async with (
        replicated(synchronous=False) as database,
        deployed(tmp_path, database, 2) as deployment,
        aiohttp.ClientSession() as http,
    ):
        report = await weather(deployment, plan, _fails_over)
        counted = await _metric(http, deployment, 'auth_rotations_total{distance="behind",outcome="caught_up"}')

    assert [] == report.violations, str(report)
    assert report.counts["caught_up"] == counted


async def _served(http: aiohttp.ClientSession, url: URL, token: str, key: str) -> Answer:
    """Present a token until the database is back, pausing as the answer asks, but for less."""
    async with asyncio.timeout(HANGS_S):
        while True:
            answer = await present(http, url, token, key)
            if answer != UNAVAILABLE:
                return answer
            await asyncio.sleep(_PAUSE_S)


async def test_a_thief_gains_nothing_from_a_forgotten_rotation(tmp_path: Path) -> None:
    """A thief comes first after a failover, with a spent token that the standby takes for good: the session ends."""
    async with (
        replicated(synchronous=False) as database,
        deployed(tmp_path, database) as deployment,
        aiohttp.ClientSession() as http,
    ):
        (token,) = await deployment.seed(1)
        url = deployment.processes[0].url
        await database.caught_up()
        await database.link.cut()
        chain = [token]
        for number in range(3):
            chain.append((await present(http, url, chain[-1], f"owner-{number}")).successor)
        await database.fail_over()
        loot = await _served(http, url, chain[1], "thief-1")
        owner = await present(http, url, chain[3], "owner-3")
        thief = await present(http, url, loot.successor, "thief-2")
        ended = await present(http, url, owner.successor, "owner-4")

    assert Answer(200, successor=chain[2]) == loot
    assert 200 == owner.status
    assert Answer(400, error="invalid_grant", reason="reused") == thief
    assert Answer(400, error="invalid_grant", reason="revoked") == ended
