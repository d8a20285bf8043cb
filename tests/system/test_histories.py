"""The promise over real processes: no answered rotation is lost and nobody is logged out, whatever is killed."""

import os
from pathlib import Path

from tests.system.deployment import Sqlite, deployed, postgres
from tests.system.storm import Plan, Report, weather

_SEED = int(os.environ.get("CHAOS_SEED", "1"))


def _is_a_storm(report: Report) -> bool:
    """Whether enough was broken for the run to mean anything."""
    counts = report.counts
    return (
        counts["rotations"] > 2 * report.plan.sessions
        and counts["kills of auth processes"] >= 4
        and counts["answer dropped"] >= 20
        and counts["retried"] >= 20
    )


async def test_nobody_is_lost_on_postgresql(tmp_path: Path) -> None:
    """Two processes and PostgreSQL are killed again and again: each answered rotation lasts, each chain is linear."""
    with postgres() as database:
        async with deployed(tmp_path, database, 2) as deployment:
            report = await weather(deployment, Plan(_SEED, seconds=10))

    assert [] == report.violations, str(report)
    assert _is_a_storm(report), str(report)
    assert report.counts["kills of the database"] >= 2, str(report)


async def test_nobody_is_lost_on_sqlite(tmp_path: Path) -> None:
    """Two processes on one file are killed again and again: each answered rotation lasts, each chain is linear."""
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), 2) as deployment:
        report = await weather(deployment, Plan(_SEED, seconds=8, sessions=100))

    assert [] == report.violations, str(report)
    assert _is_a_storm(report), str(report)
