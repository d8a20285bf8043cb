"""Database engines: how SQLite and PostgreSQL are opened so that an answered rotation is on disk."""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, ExceptionContext, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from auth_service.errors import StartupError, Unavailable

_BUSY_TIMEOUT_S = 5
_CONNECT_TIMEOUT_S = 5
_COMMAND_TIMEOUT_S = 10
_READ_ONLY_TRANSACTION = "25006"  # SQLSTATE
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # an answered rotation is on disk
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cache_size=-65536",  # KiB
    "mmap_size=1073741824",
)


@dataclass(frozen=True, slots=True)
class Database:
    """A pool for writing and one for reading; the same pool on PostgreSQL.

    SQLite has one writer at a time: one writing connection for each process spares the processes' own writes from
    waiting for each other by polling.
    """

    writer: AsyncEngine
    reader: AsyncEngine

    @property
    def dialect(self) -> str:
        """Return ``sqlite`` or ``postgresql``."""
        return self.writer.dialect.name

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end. Raises: Unavailable."""
        with _translated():
            async with self.writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One transaction that writes nothing. Raises: Unavailable."""
        with _translated():
            async with self.reader.connect() as connection:
                yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self.writer.dispose()
        if self.reader is not self.writer:
            await self.reader.dispose()


class _translated:  # noqa: N801 - reads as a keyword where it is used
    """Database and network failures become ``Unavailable``; everything else passes."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _type: type[BaseException] | None, exc: BaseException | None, _tb: object) -> None:
        """Translate. The original stays as the cause, for the log."""
        if isinstance(exc, SQLAlchemyError | OSError | TimeoutError):
            raise Unavailable(f"{type(exc).__name__}: {exc}") from exc


def open_database(url: str) -> Database:
    """Make the engines; connections open when they are first used.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…`` as libpq writes it, several hosts and ``target_session_attrs``
            included.

    Raises:
        StartupError: the URL is neither.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return _open_postgresql(url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StartupError("AUTH_DATABASE_URL: not a database URL") from None
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StartupError("AUTH_DATABASE_URL: must be sqlite:///path or postgresql://…")
    return _open_sqlite(Path(parsed.database))


def _open_postgresql(dsn: str) -> Database:
    import asyncpg

    async def connect() -> Any:
        # asyncpg reads the URL itself: SQLAlchemy knows neither several hosts nor target_session_attrs.
        try:
            return await asyncpg.connect(dsn, timeout=_CONNECT_TIMEOUT_S, command_timeout=_COMMAND_TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            # Its text may quote the address with the password; the kind says what an operator needs.
            raise ConnectionError(type(exc).__name__) from None

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=5,
        pool_timeout=_CONNECT_TIMEOUT_S,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "handle_error")
    def leave_a_demoted_primary(context: ExceptionContext) -> None:
        # The connection works, but to a server that takes no writes any more: the next one finds the primary.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY_TRANSACTION:
            context.is_disconnect = True

    return Database(engine, engine)


def _open_sqlite(path: Path) -> Database:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The file holds password hashes: nobody else may read it. Its -wal and -shm take over the mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StartupError(f"AUTH_DATABASE_URL: cannot open {path}: {exc.strerror}") from None
    writer = _sqlite_engine(path, pool_size=1, begin="BEGIN IMMEDIATE")
    return Database(writer, _sqlite_engine(path, pool_size=4, begin="BEGIN"))


def _sqlite_engine(path: Path, *, pool_size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The driver must not begin transactions by itself: it would begin deferred ones, whose first write can find
        # another process's in the way (SQLITE_BUSY without waiting).
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin_transaction(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


SQLITE_MINIMUM = (3, 38, 0)  # json_each built in; RETURNING and UPDATE … FROM are older
if sqlite3.sqlite_version_info < SQLITE_MINIMUM:  # pragma: no cover - depends on the machine
    raise StartupError(f"SQLite {sqlite3.sqlite_version} is too old; 3.38 or newer is needed")
