"""PostgreSQL through asyncpg: several hosts, a pool that survives the server going away or falling silent."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import AdaptedConnection, Connection, ExceptionContext, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import create_async_engine

from ..errors import StartupError
from . import TRANSACTION_S
from .database import unavailable_on_failure
from .postgresql_bounds import IDLE_S, Bounds
from .postgresql_hosts import Connect
from .postgresql_locks import LockWaits, sqlstate
from .postgresql_migration import migrate

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


class _LostBeforeCommit(ConnectionError):
    """The connection was lost before the transaction was told to commit: nothing of it has happened."""


class PostgresqlDatabase:
    """One database, wherever its primary is."""

    dialect = "postgresql"

    def __init__(self, dsn: str, schema: str | None = None) -> None:
        """Connections open when they are first used.

        Args:
            dsn: as libpq writes it.
            schema: of the tables; None for the first one in the role's ``search_path``.

        Raises:
            StartupError: *dsn* is no URL.
        """
        try:
            self._connect = Connect(dsn)
        except ValueError:
            raise StartupError("AUTH_DATABASE_URL: not a database URL") from None
        self.schema = schema
        self._open: WeakSet[Any] = WeakSet()
        self._locks = LockWaits()
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._open_connection,
            # Whatever the server's default is: under REPEATABLE READ, one row that another process advanced meanwhile
            # would fail the whole batch.
            isolation_level="READ COMMITTED",
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=_POOL_TIMEOUT_S,
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "handle_error", self._leave_a_demoted_primary)
        event.listen(self._engine.sync_engine, "checkout", _require_open)

    async def write(self, work: Callable[[Connection], T], *, waits: bool = True) -> T:
        """See ``Database``."""
        latest_s = asyncio.get_running_loop().time() + TRANSACTION_S
        with unavailable_on_failure():
            return await self._locks.run(partial(self._transaction, work, latest_s), latest_s, queues=waits)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self.write(work, waits=False)

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        with unavailable_on_failure():
            return await migrate(self._engine, work, self.schema)

    async def close(self) -> None:
        """See ``Database``."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self._engine.dispose()
        except TimeoutError:
            self._leave_a_silent_server()

    async def _transaction(self, work: Callable[[Connection], T], latest_s: float, lock_wait_s: float) -> T:
        try:
            # One limit for all: the wait for a connection, each statement, and the commit.
            async with asyncio.timeout_at(latest_s):
                try:
                    return await self._run(work, lock_wait_s)
                except _LostBeforeCommit:
                    pass  # the server was restarted since the pool last saw it
                except DBAPIError as exc:
                    if sqlstate(exc.orig) not in _ONCE_MORE:
                        raise
                return await self._run(work, lock_wait_s)
        except TimeoutError:
            self._leave_a_silent_server()
            raise
        except RuntimeError as exc:
            if _CLOSED_TRANSPORT not in str(exc):
                raise
            raise ConnectionError(str(exc)) from exc

    async def _run(self, work: Callable[[Connection], T], lock_wait_s: float) -> T:
        async with self._engine.connect() as connection:
            try:
                await connection.run_sync(Bounds(lock_wait_s, IDLE_S, self.schema).set)
                result = await connection.run_sync(work)
            except DBAPIError as exc:
                if exc.connection_invalidated:
                    raise _LostBeforeCommit(str(exc.orig)) from exc
                raise
            await connection.commit()
            return result

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
        if sqlstate(context.original_exception) == _READ_ONLY_TRANSACTION:
            context.is_disconnect = True
            self._connect.forget()


def _require_open(connection: AdaptedConnection, _record: object, _proxy: object) -> None:
    """Let the pool pass over a connection that the server has closed, without a question to the server."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
