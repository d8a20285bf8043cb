"""Changes of accounts by a backend: read and written in one transaction, without interference."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from ..domain.accounts import reason_to_end
from ..domain.models import Credentials, RevocationReason, User
from ..errors import UsernameTaken
from . import Added, Edited
from .database import Database
from .hash_sample import hash_sample
from .schema import sessions, users

USER_COLUMNS = (users.c.id, users.c.username, users.c.email, users.c.scope, users.c.disabled_at, users.c.claims)
ACCOUNT_COLUMNS = (users.c.password_hash, users.c.moved_in, *USER_COLUMNS)
ERASED = ""
"""The id of the row that sessions of erased users belong to: no user's, whose ids have a character at least."""
_ERASED_ROW = {"id": ERASED, "username": "", "email": "", "scope": "", "password_hash": "", "created_at": 0}


def credentials_of(row: Sequence[Any] | None) -> Credentials | None:
    """Return the account of a row of ``ACCOUNT_COLUMNS``; an empty hash is none."""
    return Credentials(User._make(row[2:]), row[0] or None, row[1]) if row else None


class SqlAccounts:
    """See ``AccountStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_account(self, user_id: str) -> Credentials | None:
        """See ``AccountStore``."""
        statement = select(*ACCOUNT_COLUMNS).where(users.c.id == user_id)
        return credentials_of(await self._database.read(lambda connection: connection.execute(statement).one_or_none()))

    async def list_accounts(self, *, after: str, limit: int) -> list[Credentials]:
        """See ``AccountStore``."""
        statement = select(*ACCOUNT_COLUMNS).where(users.c.id > after).order_by(users.c.id).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [account for row in rows if (account := credentials_of(row))]

    async def sample_hashes(self) -> list[tuple[str, str]]:
        """See ``AccountStore``."""
        return await self._database.read(hash_sample)

    async def add_accounts(self, accounts: Sequence[Credentials], *, now: int) -> list[Added]:
        """See ``AccountStore``."""
        statement = dialect_named(self._database.dialect).insert(users).on_conflict_do_nothing().returning(users.c.id)
        rows = [{**_values(account), "created_at": now} for account in accounts]
        there = select(users.c.id).where(users.c.id.in_([account.user.id for account in accounts]))

        def add(connection: Connection) -> tuple[set[str], set[str]]:
            new = set(connection.execute(statement, rows).scalars())
            return new, set(connection.execute(there).scalars())

        new, present = await self._database.write(add)
        return [_added(account.user.id, new, present) for account in accounts]

    async def edit_user(self, user_id: str, edit: Callable[[Credentials | None], Credentials], *, now: int) -> Edited:
        """See ``AccountStore``."""

        def work(connection: Connection) -> Edited:
            before = locked_account(connection, user_id)
            after = edit(before)
            while not write_account(connection, before, after, now):
                found = locked_account(connection, user_id)
                if found == before:
                    raise UsernameTaken
                before, after = found, edit(found)  # another process made the user in this moment
            reason = reason_to_end(before, after)
            ended = _end(connection, user_id, reason, now) if reason else 0
            return Edited(before, after, reason, ended)

        return await self._database.write(work)

    async def erase_user(self, user_id: str, check: Callable[[Credentials], None], *, now: int) -> int | None:
        """See ``AccountStore``."""

        def work(connection: Connection) -> int | None:
            found = locked_account(connection, user_id)
            if found is None:
                return None
            check(found)
            ended = _end(connection, user_id, RevocationReason.USER_ERASED, now)
            _make_nobodys(connection, user_id, now)
            connection.execute(delete(users).where(users.c.id == user_id))
            return ended

        return await self._database.write(work)


def dialect_named(name: str) -> Any:
    """Return the module that has the dialect's ``INSERT … ON CONFLICT``."""
    return {"sqlite": sqlite, "postgresql": postgresql}[name]


def _values(account: Credentials) -> dict[str, Any]:
    return {**account.user._asdict(), "password_hash": account.password_hash or "", "moved_in": account.moved_in}


def _added(user_id: str, new: set[str], present: set[str]) -> Added:
    if user_id in new:
        new.remove(user_id)  # whoever comes again in the same batch finds the first one there
        return Added.NEW
    return Added.PRESENT if user_id in present else Added.NAME_TAKEN


def locked_account(connection: Connection, user_id: str) -> Credentials | None:
    """Return a user, locked until the transaction ends (SQLite has one writer anyway)."""
    statement = select(*ACCOUNT_COLUMNS).where(users.c.id == user_id).with_for_update()
    return credentials_of(connection.execute(statement).one_or_none())


def write_account(connection: Connection, before: Credentials | None, after: Credentials, now: int) -> bool:
    """Write an account. False, and nothing done, if its id or its name is there already."""
    if before == after:
        return True
    values = _values(after)
    try:
        with connection.begin_nested():
            if before is None:
                connection.execute(insert(users).values(created_at=now, **values))
            else:
                connection.execute(update(users).where(users.c.id == after.user.id).values(values))
    except IntegrityError:
        return False
    return True


def _end(connection: Connection, user_id: str, reason: RevocationReason, now: int) -> int:
    live = update(sessions).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    return connection.execute(live.values(revoked_at=now, revoked_reason=reason.value)).rowcount


def _make_nobodys(connection: Connection, user_id: str, now: int) -> None:
    """Leave of a user's sessions what verifiers must hear of, until the last access token has expired."""
    connection.execute(
        dialect_named(connection.dialect.name).insert(users).values(_ERASED_ROW).on_conflict_do_nothing()
    )
    earlier = case((sessions.c.expires_at < now, sessions.c.expires_at), else_=now)
    nothing = {"user_agent": "", "ip": "", "claims": None, "scope": None, "idempotency_digest": None, "jkt": None}
    of_user = update(sessions).where(sessions.c.user_id == user_id)
    connection.execute(of_user.values(user_id=ERASED, expires_at=earlier, **nothing))
