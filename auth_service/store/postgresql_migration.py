"""Migrations on PostgreSQL, while services read and write: no statement waits for a lock for long.

What waits for a table keeps everybody who comes after it waiting, too. So a migration waits for a moment, lets the
others pass, and tries again; and an index is built CONCURRENTLY, outside of a transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import Unavailable
from .postgresql_bounds import Bounds, quoted
from .postgresql_locks import sqlstate

T = TypeVar("T")

LOCK = 0x6475_616C_0002
"""Held by the process that migrates; any number will do, if nothing else in the database uses it."""
_LOCK_WAIT_S = 1.0
_PAUSE_S = 2.0
_ATTEMPTS = 100
_POLL_S = 0.1
_PATIENT_POLLS = 30
_HELD = {"55P03", "40P01"}  # lock_not_available, deadlock_detected: PostgreSQL's manual, Appendix A

log = structlog.get_logger(__name__)


async def migrate(engine: AsyncEngine, work: Callable[[Connection], T], schema: str | None) -> T:
    """Run *work*, which begins its own transactions, while no other process migrates.

    It runs again where a lock is not to be had, so it must go on where it stopped.

    Raises:
        Unavailable: other transactions hold the tables for some minutes.
    """
    migrating = engine.execution_options()
    event.listen(migrating.sync_engine, "begin", Bounds(_LOCK_WAIT_S, idle_s=0, schema=schema).set)
    async with _alone(migrating):
        if schema is not None:
            await _make(migrating, schema)
        for _ in range(_ATTEMPTS):
            try:
                async with migrating.connect() as connection:
                    return await connection.run_sync(work)
            except DBAPIError as exc:
                if sqlstate(exc.orig) not in _HELD:
                    raise
                log.warning("migration.waits", problem=str(exc.orig))
            await asyncio.sleep(_PAUSE_S)
    raise Unavailable(
        "other transactions hold the tables; repeat the command when they have ended: it resumes where it stopped"
    )


@asynccontextmanager
async def _alone(engine: AsyncEngine) -> AsyncIterator[None]:
    """Hold the lock of migrations, in a transaction of its own: a pooler leaves that on one connection.

    CREATE INDEX CONCURRENTLY waits for every statement that runs. So the lock is asked for again and again, and not
    waited for; and the statement that took it is followed by another protocol's, which ends it for the server.
    """
    ask = text("SELECT pg_try_advisory_xact_lock(:lock)")
    for attempt in count():
        async with engine.begin() as connection:
            if await connection.scalar(ask, {"lock": LOCK}):
                driver: Any = (await connection.get_raw_connection()).driver_connection
                await driver.execute("SELECT")
                yield
                return
        if attempt == _PATIENT_POLLS:
            log.warning("migration.waits", problem="another process migrates, or stands still in the middle of it")
        await asyncio.sleep(_POLL_S)


async def _make(engine: AsyncEngine, schema: str) -> None:
    async with engine.begin() as connection:
        # CREATE … IF NOT EXISTS asks for the right to create even where there is nothing to do.
        if await connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": quoted(schema)}) is None:
            await connection.exec_driver_sql(f"CREATE SCHEMA {quoted(schema)}")
