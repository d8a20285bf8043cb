"""A database as the store sees it: functions of one connection, each run as one transaction."""

import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from ..errors import Unavailable

T = TypeVar("T")


class Database(Protocol):
    """One database. A function that is given to it does no other I/O: it may run in a thread, or more than once."""

    dialect: str
    """``sqlite`` or ``postgresql``."""

    async def write(self, work: Callable[[Connection], T], *, waits: bool = True) -> T:
        """Run *work* as one transaction and commit it. On any error nothing of it has happened.

        Args:
            work: what to do.
            waits: whether it may wait for rows that others hold. Such transactions share some connections, so that
                however many wait, the others do not wait with them.

        Raises:
            Unavailable: the database does not answer, or not within ``TRANSACTION_S``; or others hold what *work*
                needs for as long.
        """

    async def migrate(self, work: Callable[[Connection], T]) -> T:
        """Run *work* while no other process migrates; it may take as long as it needs.

        On SQLite *work* is one transaction. On PostgreSQL it begins its own, since an index is built outside of any;
        it runs again when the rows' traffic does not let it have a lock, and so must go on where it stopped.

        Raises:
            Unavailable: the database does not answer, or other transactions hold its tables.
        """

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run *work*, which changes nothing, as one transaction. Raises: Unavailable."""

    async def close(self) -> None:
        """Finish the transactions under way, let none of those that wait begin, and close every connection."""


class unavailable_on_failure:  # noqa: N801 - reads as a phrase where it is used
    """Database and network failures become ``Unavailable``; everything else passes."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Translate. The original stays as the cause, for the log."""
        if isinstance(exc, SQLAlchemyError | sqlite3.Error | OSError | TimeoutError):
            raise Unavailable(f"{type(exc).__name__}: {exc}") from exc
