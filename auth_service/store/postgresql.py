"""PostgreSQL through asyncpg: several hosts, a pool that survives the server going away or falling silent."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from auth_service.errors import StartupError
from auth_service.store import TRANSACTION_S
from auth_service.store.database import unavailable_on_failure
from auth_service.store.postgresql_hosts import Connect

T = TypeVar("T")

_POOL_SIZE = 5
_POOL_TIMEOUT_S = 5
_CLOSE_TIMEOUT_S = 2
# SQLSTATEs: PostgreSQL's manual, Appendix A.
_READ_ONLY_TRANSACTION = "25006"
_ONCE_MORE = {
    "40P01",  # deadlock: another transaction went on
    "40001",  # serialization failure: a standby that is promoted, or a proxy that shards, may ask for it
}
# What uvloop says of a transport that was closed under its user; asyncpg passes it on as it is.
_CLOSED_TRANSPORT = "the handler is closed"


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
            # Whatever the server's default is: under REPEATABLE READ, one row that another process advanced meanwhile
            # would fail the whole batch.
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=_POOL_TIMEOUT_S,
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "handle_error", self._leave_a_demoted_primary)

    async def write(self, work: Callable[[Connection], T], *, bounded: bool = True) -> T:
        """See ``Database``."""
        with unavailable_on_failure():
            try:
                # One limit for all: the wait for a connection, each statement, and the commit.
                async with asyncio.timeout(TRANSACTION_S if bounded else None):
                    try:
                        return await self._run(work)
                    except DBAPIError as exc:
                        if _sqlstate(exc.orig) not in _ONCE_MORE:
                            raise
                    return await self._run(work)
            except TimeoutError:
                self._leave_a_silent_server()
                raise
            except RuntimeError as exc:
                if _CLOSED_TRANSPORT not in str(exc):
                    raise
                raise ConnectionError(str(exc)) from exc

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

    async def _run(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

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
        if _sqlstate(context.original_exception) == _READ_ONLY_TRANSACTION:
            context.is_disconnect = True
            self._connect.forget()


def _sqlstate(exc: BaseException | None) -> str | None:
    return getattr(exc, "sqlstate", None)
