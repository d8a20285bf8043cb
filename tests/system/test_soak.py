"""Mixed load under faults, for seconds here and for minutes in ``make chaos``."""

import os
from pathlib import Path

from tests.system.deployment import Sqlite, deployed, postgres
from tests.system.soak import soak
from tests.system.storm import Plan

_SEED = int(os.environ.get("CHAOS_SEED", "1"))
_EVERYTHING = ("log-ins", "refreshes", "uploads", "logout", "reuse", "wrong passwords", "answers cut", "hung up on")
_PLAN = Plan(_SEED, seconds=4, sessions=20, token_sources=2, strikes=3)


async def test_everything_adds_up_on_postgresql(tmp_path: Path) -> None:
    """PostgreSQL and auth processes are killed under mixed load: nobody is lost, and all counters add up."""
    with postgres() as database:
        async with deployed(tmp_path, database, 2) as deployment:
            report = await soak(deployment, _PLAN, least=_EVERYTHING)

    assert [] == report.violations, str(report)
    assert report.storm.counts["kills of auth processes"] >= 2, str(report)


async def test_everything_adds_up_on_sqlite(tmp_path: Path) -> None:
    """Auth processes on one file are killed under mixed load: nobody is lost, and all counters add up."""
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), 2) as deployment:
        report = await soak(deployment, _PLAN, least=_EVERYTHING)

    assert [] == report.violations, str(report)
    assert report.storm.counts["kills of auth processes"] >= 2, str(report)
