"""Tables of another program where ours would be: in a database that is not this service's alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Inspector, inspect, select, table, text
from sqlalchemy.exc import DBAPIError

from ..errors import StartupError
from .postgresql_locks import sqlstate

# By which we know our tables, whatever their schema's revision.
_OURS = {"users": {"password_hash", "disabled_at"}, "sessions": {"generation", "idempotency_digest"}}
_OUR_REVISION = re.compile(r"\d{4}")
_VERSION = "alembic_version"
_TAKEN = {"42P07", "42710"}  # duplicate_table, duplicate_object: PostgreSQL's manual, Appendix A


def own_revision(connection: Connection) -> str | None:
    """Return the revision of our tables; None where there are none.

    Raises:
        StartupError: a table under one of our names is another program's; it names the table, and the way out.
    """
    # The version last: a migration, which makes all in one transaction, may be committed in between.
    columns = _columns(inspect(connection))
    revisions = _revisions(connection)
    found = next((name for name in columns if not revisions or not _OURS[name] <= columns[name]), None)
    if found is None and revisions and not _are_ours(revisions, inspect(connection)):
        found = _VERSION
    if found is not None:
        raise _foreign(connection, f"the table `{found}`")
    return revisions[0] if revisions else None


@contextmanager
def names_are_free(connection: Connection) -> Iterator[None]:
    """Let the block make tables and indexes.

    Raises:
        StartupError: another program has one of the names.
    """
    try:
        yield
    except DBAPIError as exc:
        taken = re.search(r'"?(\w+)"? already exists', str(exc.orig))
        if taken is None and sqlstate(exc.orig) not in _TAKEN:
            raise
        raise _foreign(connection, f"what is named `{taken[1]}`" if taken else "what has one of our names") from exc


def _columns(inspector: Inspector) -> dict[str, set[str]]:
    """Return the columns of those tables that are there."""
    there = filter(inspector.has_table, _OURS)
    return {name: {column["name"] for column in inspector.get_columns(name)} for name in there}


def _revisions(connection: Connection) -> list[str]:
    if not inspect(connection).has_table(_VERSION):
        return []
    rows = connection.execute(select(text("*")).select_from(table(_VERSION))).mappings()
    return [str(row.get("version_num")) for row in rows]


def _are_ours(revisions: list[str], inspector: Inspector) -> bool:
    """Others number their revisions as well: ours stands alone, and beside our tables."""
    is_ours = len(revisions) == 1 and _OUR_REVISION.fullmatch(revisions[0]) is not None
    return is_ours and all(map(inspector.has_table, _OURS))


def _foreign(connection: Connection, what: str) -> StartupError:
    way_out = {
        "postgresql": "set AUTH_DATABASE_SCHEMA to a name for a schema of our own, such as `dualtoken`",
        "sqlite": "let AUTH_DATABASE_URL name another file",
    }[connection.dialect.name]
    return StartupError(f"AUTH_DATABASE_URL: {what} there belongs to another program; {way_out}")
