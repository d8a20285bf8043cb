"""The store on SQL: SQLAlchemy Core, with the same statements for SQLite and PostgreSQL where possible."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    Update,
    cast,
    delete,
    func,
    select,
    text,
    update,
)

from ..domain.models import Presented, Revocation, RevocationReason, Session
from ..domain.rotation import Outcome, RotationPolicy
from ..errors import StartupError, Unavailable
from . import Reading, SessionLimit, Store
from .accounts import SqlAccounts
from .assertions import SqlAssertions
from .database import Database
from .database_url import sqlite_file
from .migrate import require_current_schema, upgrade
from .rotation_sql import build_statements
from .rotations import rotate
from .schema import sessions, users
from .session_rows import SESSION_COLUMNS, session_of
from .session_sql import insert_session, live, revoke, swept
from .sqlite import SqliteDatabase, is_busy
from .users import SqlUsers

_MAX_LISTED = 1000  # more would keep the event loop
_SERVER_TIME = select(cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger))
# Of the latest log-ins, which the index finds: to look through all rows would take seconds, where there are millions.
_NEWEST_TIME = select(
    func.max(select(sessions.c.rotated_at).order_by(sessions.c.expires_at.desc()).limit(1000).subquery().c.rotated_at)
)


class SqlSessions:
    """Sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = build_statements(database.dialect)

    async def create_session(
        self, session: Session, *, verified_hash: str | None, limit: SessionLimit | None = None
    ) -> list[str] | None:
        """See ``SessionStore``."""
        return await self._database.write(
            lambda connection: insert_session(connection, session, verified_hash=verified_hash, limit=limit)
        )

    async def rotate(self, batch: Sequence[Presented], *, now: int, policy: RotationPolicy) -> list[Outcome | None]:
        """See ``SessionStore``."""
        statements = self._statements
        return await self._database.write(
            lambda connection: rotate(connection, statements, batch, now, policy), waits=False
        )

    async def find_session(self, session_id: str) -> Session | None:
        """See ``SessionStore``."""
        statement = select(*SESSION_COLUMNS).join_from(sessions, users).where(sessions.c.id == session_id)
        row = await self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return session_of(row) if row else None

    async def list_sessions(self, user_id: str, *, now: int, policy: RotationPolicy) -> list[Session]:
        """See ``SessionStore``."""
        statement = (
            select(*SESSION_COLUMNS)
            .join_from(sessions, users)
            .where(*live(user_id, now, policy))
            .order_by(sessions.c.rotated_at.desc())
            .limit(_MAX_LISTED)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [session_of(row) for row in rows]

    async def revoke(self, session_id: str, reason: RevocationReason, *, now: int, user_id: str | None = None) -> bool:
        """See ``SessionStore``."""
        of_user = [sessions.c.user_id == user_id] if user_id is not None else []
        return await self._changed(revoke(reason, now, sessions.c.id == session_id, *of_user)) == 1

    async def revoke_user(self, user_id: str, reason: RevocationReason, *, now: int) -> int:
        """See ``SessionStore``."""
        return await self._changed(revoke(reason, now, sessions.c.user_id == user_id))

    async def _changed(self, statement: Update) -> int:
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def revocations(self, *, since: int, after: str = "", limit: int | None = None) -> list[Revocation]:
        """See ``SessionStore``."""
        statement = revoked_since(since, after).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [Revocation(*row) for row in rows]

    async def delete_expired(self, *, before: int, limit: int) -> int:
        """See ``SessionStore``."""
        # What somebody else holds is passed over (PostgreSQL): the next sweep finds it.
        free = select(sessions.c.id).where(sessions.c.expires_at < before).with_for_update(skip_locked=True)
        expired = delete(sessions).where(sessions.c.id.in_(free.limit(limit)))
        return await self._database.write(lambda connection: swept(connection, expired))


class SqlStore(SqlUsers, SqlAccounts, SqlSessions, SqlAssertions):
    """All of it, over one database."""

    def __init__(self, database: Database) -> None:
        SqlUsers.__init__(self, database)
        SqlAccounts.__init__(self, database)
        SqlSessions.__init__(self, database)
        SqlAssertions.__init__(self, database)

    async def ping(self) -> None:
        """See ``Store``."""
        # SELECT 1 would not touch the file of a SQLite database at all.
        statement = select(sessions.c.id).limit(1)
        await self._database.read(lambda connection: connection.execute(statement).all())
        try:
            await self._database.write(_WRITE_NOTHING[self._database.dialect])
        except Unavailable as exc:
            # Who waits for another writer will write; who has no disk or no rights will not.
            if not is_busy(exc):
                raise

    async def read_clock(self) -> Reading:
        """See ``Store``."""
        is_clock = self._database.dialect == "postgresql"
        statement = _SERVER_TIME if is_clock else _NEWEST_TIME
        at = await self._database.read(lambda connection: connection.execute(statement).scalar_one())
        return Reading(at or 0, is_clock)


def _write_to_sqlite(connection: Connection) -> None:
    connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


def _write_to_postgresql(connection: Connection) -> None:
    connection.execute(update(sessions).where(sessions.c.id == "").values(batch=0))  # asks for the right to
    connection.execute(select(func.pg_logical_emit_message(True, "dualtoken", "ready")))


# Nothing is changed, and still the log is written and flushed: a full disk is found, and a server that only reads.
_WRITE_NOTHING: dict[str, Callable[[Connection], None]] = {
    "sqlite": _write_to_sqlite,
    "postgresql": _write_to_postgresql,
}


def revoked_since(moment: int, after: str = "") -> Select[tuple[Any, ...]]:
    """Return the feed's query: several times a second, so it must touch no row but those that it finds."""
    behind = [(sessions.c.revoked_at > moment) | (sessions.c.id > after)] if after else []
    return (
        select(sessions.c.id, sessions.c.revoked_at, sessions.c.revoked_reason)
        .where(sessions.c.revoked_at >= moment, *behind)
        .order_by(sessions.c.revoked_at, sessions.c.id)
    )


def open_database(url: str, schema: str | None = None) -> Database:
    """Open a database; connections are made when they are first used.

    Args:
        url: ``sqlite:///path``, or ``postgresql://…`` as libpq writes it, several hosts and ``target_session_attrs``
            included.
        schema: of PostgreSQL, in which the tables are; None for the first one in the role's ``search_path``.

    Raises:
        StartupError: the URL is neither, or the SQLite file cannot be opened.
    """
    path = sqlite_file(url)
    if path is None:
        # Its asynchronous engine takes a while to load, which SQLite does not need.
        from .postgresql import PostgresqlDatabase

        return PostgresqlDatabase(url, schema)
    if schema is not None:
        raise StartupError("AUTH_DATABASE_SCHEMA: SQLite has no schemas; let AUTH_DATABASE_URL name a file of its own")
    return SqliteDatabase(path)


@asynccontextmanager
async def open_store(url: str, schema: str | None = None, *, accept_newer: bool = False) -> AsyncIterator[Store]:
    """Open the store; close it at the end.

    A SQLite schema is brought up to date; a PostgreSQL schema that is behind is refused (``migrate`` brings it up).
    With *accept_newer*, one that a newer release made will do.

    Raises:
        StartupError: the URL or the schema is wrong.
        Unavailable: the database does not answer.
    """
    database = open_database(url, schema)
    try:
        if database.dialect == "sqlite":
            await upgrade(database, accept_newer=accept_newer)
        else:
            await require_current_schema(database, accept_newer=accept_newer)
        yield SqlStore(database)
    finally:
        await database.close()
