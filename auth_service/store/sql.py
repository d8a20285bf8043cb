"""The store on SQL: SQLAlchemy Core, the same statements for SQLite and PostgreSQL wherever they can be."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    delete,
    func,
    insert,
    literal,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import ArgumentError, IntegrityError
from sqlalchemy.sql.dml import ReturningUpdate

from auth_service.errors import StartupError
from auth_service.models import Credentials, Presented, Revocation, RevocationReason, Session, User
from auth_service.rotation import Outcome, Policy
from auth_service.store import SessionLimit, Store
from auth_service.store.database import Database
from auth_service.store.migrate import require_current_schema, upgrade
from auth_service.store.rotations import SESSION_COLUMNS, build_statements, rotate, session_of
from auth_service.store.schema import sessions, users
from auth_service.store.sqlite import SqliteDatabase

_USER_COLUMNS = (users.c.id, users.c.username, users.c.email, users.c.scope, users.c.disabled_at)
# Any number will do, if nothing else in the database uses it.
_JANITOR_LOCK = 0x6475_616C_0001
_MAX_LISTED = 1000  # more would keep the event loop


class SqlUsers:
    """Accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_credentials(self, username: str) -> Credentials | None:
        """See ``UserStore``."""
        statement = select(users.c.password_hash, *_USER_COLUMNS).where(users.c.username == username)
        row = await self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return row and Credentials(User(*row[1:]), row.password_hash)

    async def find_user(self, user_id: str) -> User | None:
        """See ``UserStore``."""
        statement = select(*_USER_COLUMNS).where(users.c.id == user_id)
        row = await self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return row and User(*row)

    async def list_users(self) -> list[User]:
        """See ``UserStore``."""
        statement = select(*_USER_COLUMNS).order_by(users.c.username)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [User(*row) for row in rows]

    async def add_user(self, user: User, password_hash: str, *, now: int) -> bool:
        """See ``UserStore``."""
        names = {"id": user.id, "username": user.username, "email": user.email, "scope": user.scope}
        row = {**names, "password_hash": password_hash, "created_at": now}

        def add(connection: Connection) -> bool:
            # To look first would not do: another process may take the name in between.
            try:
                with connection.begin_nested():
                    connection.execute(insert(users), row)
            except IntegrityError:
                return False
            return True

        return await self._database.write(add)

    async def set_disabled(self, username: str, *, disabled: bool, now: int) -> int | None:
        """See ``UserStore``."""
        statement = update(users).where(users.c.username == username).values(disabled_at=now if disabled else None)

        def change(connection: Connection) -> int | None:
            user_id = connection.execute(statement.returning(users.c.id)).scalar_one_or_none()
            if user_id is None:
                return None
            revoke = _revoke(RevocationReason.USER_DISABLED, now, sessions.c.user_id == user_id)
            return connection.execute(revoke).rowcount if disabled else 0

        return await self._database.write(change)

    async def set_password(
        self, user_id: str, password_hash: str, *, replacing: str | None, keep: str | None, now: int
    ) -> int | None:
        """See ``UserStore``."""
        statement = update(users).where(users.c.id == user_id).values(password_hash=password_hash)
        if replacing is not None:
            statement = statement.where(users.c.password_hash == replacing)
        others = [sessions.c.user_id == user_id] + ([sessions.c.id != keep] if keep else [])

        def change(connection: Connection) -> int | None:
            if connection.execute(statement).rowcount != 1:
                return None
            return connection.execute(_revoke(RevocationReason.PASSWORD_CHANGED, now, *others)).rowcount

        return await self._database.write(change)

    async def strengthen_hash(self, user_id: str, password_hash: str, *, replacing: str) -> bool:
        """See ``UserStore``."""
        unchanged = (users.c.id == user_id, users.c.password_hash == replacing)
        statement = update(users).where(*unchanged).values(password_hash=password_hash)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)


class SqlSessions:
    """Sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = build_statements(database.dialect)

    async def create_session(
        self, session: Session, *, verified_hash: str, limit: SessionLimit | None = None
    ) -> list[str] | None:
        """See ``SessionStore``."""
        values = {
            "id": session.id,
            "user_id": session.user.id,
            "generation": session.generation,
            "skipped": 0,
            "batch": 0,
            "rotated_at": session.rotated_at,
            "created_at": session.created_at,
            "expires_at": session.expires_at,
            "user_agent": session.client.user_agent,
            "ip": session.client.ip,
        }
        # The lock (PostgreSQL; SQLite has one writer) makes a concurrent change of password wait for this insert, so
        # that its revocation sees the new session.
        allowed = (
            select(*(literal(value, sessions.c[name].type) for name, value in values.items()))
            .where(users.c.id == session.user.id)
            .where(users.c.disabled_at.is_(None), users.c.password_hash == verified_hash)
            .with_for_update(read=True, of=users)
        )
        statement = insert(sessions).from_select(list(values), allowed)

        def create(connection: Connection) -> list[str] | None:
            if connection.execute(statement).rowcount != 1:
                return None
            return list(connection.execute(_revoke_beyond(limit, session)).scalars()) if limit else []

        return await self._database.write(create)

    async def rotate(self, batch: Sequence[Presented], *, now: int, policy: Policy) -> list[Outcome]:
        """See ``SessionStore``."""
        statements = self._statements
        return await self._database.write(lambda connection: rotate(connection, statements, batch, now, policy))

    async def find_session(self, session_id: str) -> Session | None:
        """See ``SessionStore``."""
        statement = select(*SESSION_COLUMNS).join_from(sessions, users).where(sessions.c.id == session_id)
        row = await self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return row and session_of(row)

    async def list_sessions(self, user_id: str, *, now: int, policy: Policy) -> list[Session]:
        """See ``SessionStore``."""
        statement = (
            select(*SESSION_COLUMNS)
            .join_from(sessions, users)
            .where(*_live(user_id, now, policy))
            .order_by(sessions.c.rotated_at.desc())
            .limit(_MAX_LISTED)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [session_of(row) for row in rows]

    async def revoke(self, session_id: str, reason: RevocationReason, *, now: int, user_id: str | None = None) -> bool:
        """See ``SessionStore``."""
        of_user = [sessions.c.user_id == user_id] if user_id is not None else []
        return await self._changed(_revoke(reason, now, sessions.c.id == session_id, *of_user)) == 1

    async def revoke_user(self, user_id: str, reason: RevocationReason, *, now: int) -> int:
        """See ``SessionStore``."""
        return await self._changed(_revoke(reason, now, sessions.c.user_id == user_id))

    async def _changed(self, statement: Update) -> int:
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def revocations(self, *, since: int) -> list[Revocation]:
        """See ``SessionStore``."""
        rows = await self._database.read(lambda connection: connection.execute(revoked_since(since)).all())
        return [Revocation(*row) for row in rows]

    async def delete_expired(self, *, before: int, limit: int) -> int:
        """See ``SessionStore``."""
        expired = select(sessions.c.id).where(sessions.c.expires_at < before).limit(limit)
        lock = select(func.pg_try_advisory_xact_lock(_JANITOR_LOCK))
        alone = self._database.dialect == "sqlite"  # one writer at a time anyway

        def sweep(connection: Connection) -> int:
            if not alone and not connection.execute(lock).scalar_one():
                return 0
            return connection.execute(delete(sessions).where(sessions.c.id.in_(expired))).rowcount

        return await self._database.write(sweep)


class SqlStore(SqlUsers, SqlSessions):
    """All of it, over one database."""

    def __init__(self, database: Database) -> None:
        SqlUsers.__init__(self, database)
        SqlSessions.__init__(self, database)

    async def ping(self) -> None:
        """See ``Store``."""
        # SELECT 1 would not touch the file of a SQLite database at all.
        statement = select(sessions.c.id).limit(1)
        await self._database.read(lambda connection: connection.execute(statement).all())


def _live(user_id: str, now: int, policy: Policy) -> tuple[ColumnElement[bool], ...]:
    unended = (sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    return (*unended, sessions.c.expires_at > now, sessions.c.rotated_at > now - policy.refresh_ttl)


def _revoke_beyond(limit: SessionLimit, new: Session) -> ReturningUpdate[str]:
    others = (*_live(new.user.id, new.created_at, limit.policy), sessions.c.id != new.id)
    latest_first = (sessions.c.rotated_at.desc(), sessions.c.id)
    beyond = select(sessions.c.id).where(*others).order_by(*latest_first).offset(limit.most - 1)
    # Two log-ins, or a log-in and a batch of rotations, would wait for each other's rows (PostgreSQL).
    unlocked = select(sessions.c.id).where(sessions.c.id.in_(beyond)).with_for_update(skip_locked=True)
    reason = RevocationReason.SESSION_LIMIT
    return _revoke(reason, new.created_at, sessions.c.id.in_(unlocked)).returning(sessions.c.id)


def revoked_since(moment: int) -> Select[tuple[Any, ...]]:
    """Return the feed's query: several times a second, so it must touch no row but those that it finds."""
    return (
        select(sessions.c.id, sessions.c.revoked_at, sessions.c.revoked_reason)
        .where(sessions.c.revoked_at >= moment)
        .order_by(sessions.c.revoked_at, sessions.c.id)
    )


def _revoke(reason: RevocationReason, now: int, *which: ColumnElement[bool]) -> Update:
    live = update(sessions).where(sessions.c.revoked_at.is_(None), *which)
    return live.values(revoked_at=now, revoked_reason=reason.value)


def open_database(url: str) -> Database:
    """Open a database; connections are made when they are first used.

    Args:
        url: ``sqlite:///path``, or ``postgresql://…`` as libpq writes it, several hosts and ``target_session_attrs``
            included.

    Raises:
        StartupError: the URL is neither, or the SQLite file cannot be opened.
    """
    if url.startswith(("postgresql://", "postgres://")):
        # Its asynchronous engine takes a while to load, which SQLite does not need.
        from auth_service.store.postgresql import PostgresqlDatabase

        return PostgresqlDatabase(url)
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartupError("AUTH_DATABASE_URL: not a database URL") from None
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StartupError("AUTH_DATABASE_URL: must be sqlite:///path or postgresql://…")
    return SqliteDatabase(Path(parsed.database))


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Store]:
    """Open the store; close it at the end.

    A SQLite schema is brought up to date; a PostgreSQL schema that is behind is refused (``migrate`` brings it up).

    Raises:
        StartupError: the URL or the schema is wrong.
        Unavailable: the database does not answer.
    """
    database = open_database(url)
    try:
        if database.dialect == "sqlite":
            await upgrade(database)
        else:
            await require_current_schema(database)
        yield SqlStore(database)
    finally:
        await database.close()
