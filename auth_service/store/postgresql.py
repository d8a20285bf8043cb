"""PostgreSQL through asyncpg: several hosts, a pool that survives the server going away or falling silent."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.ext.asyncio import create_async_engine

from auth_service.errors import StartupError
from auth_service.store import TRANSACTION_S
from auth_service.store.database import unavailable_on_failure
from auth_service.store.postgresql_hosts import Connect

T = TypeVar("T")

_POOL_SIZE = 5
_POOL_TIMEOUT_S = 5
_CLOSE_TIMEOUT_S = 2
_READ_ONLY_TRANSACTION = "25006"  # SQLSTATE


class PostgresqlDatabase:
    """One database, wherever its primary is."""

    dialect = "postgresql"

    def __init__(self, dsn: str) -> None:
        """Connections open when they are first used; *dsn* as libpq writes it.

        Raises:
            StartupError: it is no URL.
        """
        try:
            self._connect = Connect(dsn)
        except ValueError:
            raise StartupError("AUTH_DATABASE_URL: not a database URL") from None
        self._open: WeakSet[Any] = WeakSet()
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._open_connection,
            pool_pre_ping=True,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=_POOL_TIMEOUT_S,
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "handle_error", self._leave_a_demoted_primary)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        with unavailable_on_failure():
            try:
                # One limit for all: the wait for a connection, each statement, and the commit.
                async with asyncio.timeout(TRANSACTION_S), self._engine.begin() as connection:
                    return await connection.run_sync(work)
            except TimeoutError:
                self._leave_a_silent_server()
                raise

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self.write(work)

    async def close(self) -> None:
        """See ``Database``."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._engine.dispose()
        except TimeoutError:
            self._leave_a_silent_server()

    async def _open_connection(self) -> Any:
        connection = await self._connect()
        self._open.add(connection)
        return connection

    def _leave_a_silent_server(self) -> None:
        # Each idle connection would be waited for in its turn. The pool finds a terminated one out without asking.
        for connection in list(self._open):
            if not connection.is_closed() and not connection.is_in_transaction():
                connection.terminate()

    def _leave_a_demoted_primary(self, context: ExceptionContext) -> None:
        # The connection works, but to a server that takes no writes any more: the next one finds the primary.
        if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY_TRANSACTION:
            context.is_disconnect = True
            self._connect.forget()
