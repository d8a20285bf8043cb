"""SQLite, opened so that an answered rotation is on disk.

A transaction is one visit to a thread, not one for each statement: the visits would cost more than the statements.
SQLite has one writer at a time; one writing thread for each process spares the process's own writes from waiting for
each other by polling.
"""

import asyncio
import math
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import SingletonThreadPool

from ..errors import StartupError, Unavailable
from . import TRANSACTION_S
from .database import unavailable_on_failure

T = TypeVar("T")

MINIMUM = (3, 38, 0)  # json_each is built in; RETURNING and UPDATE … FROM are older
_BUSY_TIMEOUT_S = 5
_SWITCH_PAUSE_S = 0.01
_READERS = 2
_PRAGMAS = (
    "synchronous=FULL",  # an answered rotation is on disk
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cache_size=-65536",  # KiB
    "mmap_size=1073741824",
)


class SqliteDatabase:
    """One file."""

    dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        """Make the file if it is missing.

        Raises:
            StartupError: SQLite is too old, or the file cannot be opened.
        """
        if sqlite3.sqlite_version_info < MINIMUM:
            raise StartupError(f"SQLite {sqlite3.sqlite_version} is too old; 3.38 or newer is needed")
        _create_privately(path)
        self._writer = _Threads(path, "BEGIN IMMEDIATE", count=1)
        self._readers = _Threads(path, "BEGIN", count=_READERS)

    async def write(self, work: Callable[[Connection], T], *, waits: bool = True) -> T:
        """See ``Database``. There is one writer, and nothing else to wait for."""
        del waits
        return await self._writer.run(work, TRANSACTION_S)

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``. The transaction is exclusive from its first statement."""
        return await self._writer.run(work, math.inf)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self._readers.run(work, TRANSACTION_S)

    async def close(self) -> None:
        """See ``Database``."""
        await asyncio.gather(self._writer.close(), self._readers.close())


def _create_privately(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The file holds password hashes: nobody else may read it. Its -wal and -shm take over the mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StartupError(f"AUTH_DATABASE_URL: cannot open {path}: {exc.strerror}") from None


class _Threads:
    """Threads with a connection each; transactions queue for them."""

    def __init__(self, path: Path, begin: str, *, count: int) -> None:
        self._engine = _engine(path, begin)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=begin.lower())

    async def run(self, work: Callable[[Connection], T], within_s: float) -> T:
        latest_s = monotonic() + within_s

        def transaction() -> T:
            _require_time(latest_s)  # it may have stood in the queue
            with self._engine.begin() as connection:
                _require_time(latest_s)  # it may have waited for another process
                return work(connection)

        with unavailable_on_failure():
            return await asyncio.get_running_loop().run_in_executor(self._pool, transaction)

    async def close(self) -> None:
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        self._engine.dispose()


def _require_time(latest_s: float) -> None:
    """Keep a transaction that comes too late from doing anything: what it says of the time is not true any more.

    Raises:
        TimeoutError: it is later than *latest_s*, on the clock of ``monotonic``.
    """
    if monotonic() > latest_s:
        raise TimeoutError(f"the database was busy for {TRANSACTION_S} s")


def is_busy(exc: Unavailable) -> bool:
    """Whether another transaction was in the way, and nothing else."""
    failure = getattr(exc.__cause__, "orig", exc.__cause__)
    return isinstance(failure, TimeoutError) or getattr(failure, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch the file to a write-ahead log, in which it stays.

    Where several processes open a new file at the same moment, SQLite refuses the switch without waiting.
    """
    latest_s = monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > latest_s:
                raise
            sleep(_SWITCH_PAUSE_S)
        else:
            return


def _engine(path: Path, begin: str) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=SingletonThreadPool,
        # Used by one thread, closed by another.
        connect_args={"timeout": _BUSY_TIMEOUT_S, "check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver must not begin transactions by itself: it would begin deferred ones, whose first write can find
        # another process's in the way (SQLITE_BUSY without waiting).
        connection.isolation_level = None
        cursor = connection.cursor()
        _write_ahead(cursor)
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        cast(sqlite3.Connection, connection.connection.driver_connection).execute(begin)

    return engine
