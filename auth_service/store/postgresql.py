"""PostgreSQL through asyncpg: several hosts, a pool that survives the server going away."""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.ext.asyncio import create_async_engine

from auth_service.store.database import unavailable_on_failure

T = TypeVar("T")

_POOL_SIZE = 5
_CONNECT_TIMEOUT_S = 5
_COMMAND_TIMEOUT_S = 10
_READ_ONLY_TRANSACTION = "25006"  # SQLSTATE


class PostgresqlDatabase:
    """One database, wherever its primary is."""

    dialect = "postgresql"

    def __init__(self, dsn: str) -> None:
        """Connections open when they are first used; *dsn* as libpq writes it."""
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=_Connect(dsn),
            pool_pre_ping=True,
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_SIZE,
            pool_timeout=_CONNECT_TIMEOUT_S,
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "handle_error", _leave_a_demoted_primary)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        with unavailable_on_failure():
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """See ``Database``."""
        return await self.write(work)

    async def close(self) -> None:
        """See ``Database``."""
        await self._engine.dispose()


class _Connect:
    """Opens a connection. asyncpg reads the URL: SQLAlchemy knows neither several hosts nor target_session_attrs."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def __call__(self) -> Any:
        import asyncpg

        try:
            return await asyncpg.connect(self._dsn, timeout=_CONNECT_TIMEOUT_S, command_timeout=_COMMAND_TIMEOUT_S)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
            # Its text may quote the address with the password; the kind says what an operator needs.
            raise ConnectionError(type(exc).__name__) from None


def _leave_a_demoted_primary(context: ExceptionContext) -> None:
    # The connection works, but to a server that takes no writes any more: the next one finds the primary.
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY_TRANSACTION:
        context.is_disconnect = True
