"""Accounts by their names, and their passwords, on SQL."""

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..domain.models import Credentials, RevocationReason, User, digest_of_hash
from ..domain.names import normal_name
from . import Kept
from .accounts import ACCOUNT_COLUMNS, ERASED, USER_COLUMNS, credentials_of
from .database import Database
from .schema import sessions, users
from .session_sql import live, revoke


class SqlUsers:
    """Accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_credentials(self, username: str) -> Credentials | None:
        """See ``UserStore``."""
        # As it was typed first: an older release may have stored both forms of a name, for two people.
        as_typed = users.c.username == username
        named = select(*ACCOUNT_COLUMNS).where(as_typed | (users.c.username == normal_name(username)))
        statement = named.order_by(as_typed.desc()).limit(1)
        row = await self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return credentials_of(row)

    async def find_user(self, user_id: str) -> User | None:
        """See ``UserStore``."""
        statement = select(*USER_COLUMNS).where(users.c.id == user_id)
        row = await self._database.read(lambda connection: connection.execute(statement).one_or_none())
        return row and User(*row)

    async def list_users(self, *, after: str = "", limit: int | None = None) -> list[User]:
        """See ``UserStore``."""
        beyond = (users.c.id != ERASED) & (users.c.username > after)
        statement = select(*USER_COLUMNS).where(beyond).order_by(users.c.username).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [User(*row) for row in rows]

    async def add_user(self, user: User, password_hash: str, *, now: int) -> bool:
        """See ``UserStore``."""
        names = {"id": user.id, "username": user.username, "email": user.email, "scope": user.scope}
        row = {**names, "claims": user.claims, "password_hash": password_hash, "created_at": now}

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
            ending = revoke(RevocationReason.USER_DISABLED, now, sessions.c.user_id == user_id)
            return connection.execute(ending).rowcount if disabled else 0

        return await self._database.write(change)

    async def set_claims(self, user_id: str, claims: str | None) -> bool:
        """See ``UserStore``."""
        statement = update(users).where(users.c.id == user_id).values(claims=claims)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)

    async def set_password(
        self, user_id: str, password_hash: str, *, replacing: str | None, keep: Kept | None, now: int
    ) -> int | None:
        """See ``UserStore``."""
        wanted = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
        if replacing is not None:
            wanted = wanted.where(users.c.password_hash == replacing)
        conditions, others = [wanted], [sessions.c.user_id == user_id]
        if keep is not None:
            # The user's row first, as everywhere; the locks (PostgreSQL) make a revocation come before or wait.
            alive = (sessions.c.id == keep.session_id, *live(user_id, now, keep.policy))
            conditions = [
                wanted.where(users.c.disabled_at.is_(None)),
                select(sessions.c.id).where(*alive).with_for_update(read=True),
            ]
            others.append(sessions.c.id != keep.session_id)
        statement = update(users).where(users.c.id == user_id).values(password_hash=password_hash, moved_in=None)

        def change(connection: Connection) -> int | None:
            if not all(connection.execute(condition).one_or_none() for condition in conditions):
                return None
            connection.execute(statement)
            return connection.execute(revoke(RevocationReason.PASSWORD_CHANGED, now, *others)).rowcount

        return await self._database.write(change)

    async def strengthen_hash(self, user_id: str, password_hash: str, *, replacing: str) -> bool:
        """See ``UserStore``."""
        unchanged = (users.c.id == user_id, users.c.password_hash == replacing)
        # The first one stays known: it is what a backend repeats.
        moved_in = func.coalesce(users.c.moved_in, digest_of_hash(replacing))
        statement = update(users).where(*unchanged).values(password_hash=password_hash, moved_in=moved_in)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount == 1)
