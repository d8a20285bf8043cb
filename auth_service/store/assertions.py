"""Assertions that have opened a session: a row each, until they would be refused for their age."""

from collections.abc import Callable

from sqlalchemy import Connection, delete, select

from ..domain.models import Credentials, Session
from ..errors import UserDisabled, UsernameTaken
from ..grant_errors import AssertionProblem, InvalidAssertion
from . import SessionLimit, SpentAssertion
from .accounts import dialect_named, locked_account, write_account
from .database import Database
from .schema import spent_assertions
from .session_sql import insert_session, swept


class SqlAssertions:
    """See ``AssertionStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open_by_assertion(
        self,
        session: Session,
        spent: SpentAssertion,
        account: Callable[[Credentials | None], Credentials],
        *,
        limit: SessionLimit | None = None,
    ) -> list[str]:
        """See ``AssertionStore``."""

        def work(connection: Connection) -> list[str]:
            _spend(connection, spent)
            _make_user(connection, session, account)
            ended = insert_session(connection, session, verified_hash=None, limit=limit)
            if ended is None:
                raise UserDisabled
            return ended

        return await self._database.write(work)

    async def delete_spent_assertions(self, *, before: int, limit: int) -> int:
        """See ``AssertionStore``."""
        old = select(spent_assertions.c.digest).where(spent_assertions.c.expires_at < before).limit(limit)
        expired = delete(spent_assertions).where(spent_assertions.c.digest.in_(old))
        return await self._database.write(lambda connection: swept(connection, expired))


def _spend(connection: Connection, spent: SpentAssertion) -> None:
    """Insert the row of an assertion. Who comes second waits (PostgreSQL) until the first has committed, or has not."""
    row = (
        dialect_named(connection.dialect.name).insert(spent_assertions).values(spent._asdict()).on_conflict_do_nothing()
    )
    if connection.execute(row).rowcount != 1:
        raise InvalidAssertion(AssertionProblem.REPLAYED, "it has opened a session before")


def _make_user(connection: Connection, session: Session, account: Callable[[Credentials | None], Credentials]) -> None:
    before = locked_account(connection, session.user.id)
    while not write_account(connection, before, account(before), session.created_at):
        found = locked_account(connection, session.user.id)
        if found == before:
            raise UsernameTaken
        before = found  # another process made the user in this moment
