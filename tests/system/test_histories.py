"""The promise over real processes: no answered rotation is lost and nobody is logged out, whatever is killed.

For seconds here, and for minutes, with more sessions, in ``make chaos``.

SIGKILL leaves what was written in the page cache of the system: these tests say nothing of a power cut. What guards
against that is the setting of each database, and the test that reads it: ``PRAGMA synchronous`` is FULL on SQLite
(tests/auth_service/store/test_sqlite.py).
"""

import os
from pathlib import Path

from tests.system.deployment import Sqlite, deployed, postgres
from tests.system.storm import Plan, weather

_SEED = int(os.environ.get("CHAOS_SEED", "1"))
_STORM = {"kills of auth processes": 4, "dropped answers": 20, "retried": 20}


async def test_nobody_is_lost_on_postgresql(tmp_path: Path) -> None:
    """Two processes and PostgreSQL are killed again and again: each answered rotation lasts, each chain is linear."""
    least = _STORM | {"rotations": 200, "kills of the database": 2}
    with postgres() as database:
        async with deployed(tmp_path, database, 2) as deployment:
            report = await weather(deployment, Plan(_SEED, seconds=4, sessions=60, least=least))

    assert [] == report.violations, str(report)
    assert [] == report.too_few, str(report)


async def test_nobody_is_lost_on_sqlite(tmp_path: Path) -> None:
    """Two processes on one file are killed again and again: each answered rotation lasts, each chain is linear."""
    least = _STORM | {"rotations": 200}
    async with deployed(tmp_path, Sqlite(tmp_path / "auth.db"), 2) as deployment:
        report = await weather(deployment, Plan(_SEED, seconds=4, sessions=60, least=least))

    assert [] == report.violations, str(report)
    assert [] == report.too_few, str(report)
