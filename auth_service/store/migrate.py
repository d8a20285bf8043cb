"""Bring the schema up to date, or say that it is not. Migrations are Alembic's.

Whether there is anything to do is found out without Alembic: it takes a sixth of a service's start to load, and a start
mostly finds nothing to do.
"""

from contextlib import nullcontext
from pathlib import Path

from sqlalchemy import Connection

from dualtoken_serving.command import command_name

from ..errors import StartupError
from .database import Database
from .foreign_tables import names_are_free, own_revision

_MIGRATIONS = Path(__file__).with_name("migrations")


async def upgrade(database: Database, *, to: str = "head", accept_newer: bool = False) -> tuple[str | None, str | None]:
    """Migrate to the newest schema, or forward to *to*. Return the revisions before and after.

    Any number of processes may do this at once, while others serve.

    Args:
        database: open.
        to: a revision.
        accept_newer: leave the schema of a newer release as it is.

    Raises:
        StartupError: the schema is newer than this code, or the tables are another program's.
        Unavailable: the database does not answer, or others hold its tables.
    """
    return await database.migrate(lambda connection: _upgrade(connection, to, accept_newer=accept_newer))


def _upgrade(connection: Connection, to: str, *, accept_newer: bool) -> tuple[str | None, str | None]:
    # SQLite's transaction has begun; on PostgreSQL each migration has its own.
    with nullcontext() if connection.in_transaction() else connection.begin():
        before, head = _revisions(connection, accept_newer=accept_newer)
    target = head if to == "head" else to
    if target is not None and before != target:
        _migrate(connection, target)
    return before, target


def _migrate(connection: Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    with names_are_free(connection):
        command.upgrade(config, target)


async def require_current_schema(database: Database, *, accept_newer: bool = False) -> None:
    """Return if the schema is the newest; with *accept_newer*, also if it is that of a newer release.

    Raises:
        StartupError: it is behind, or newer than this code, or the tables are another program's.
        Unavailable: the database does not answer.
    """
    current, head = await database.read(lambda connection: _revisions(connection, accept_newer=accept_newer))
    if current != head:
        behind = f"the database schema is at {current or 'nothing'}, this code needs {head}"
        raise StartupError(f"{behind}: run `{command_name(__name__)} migrate`")


def _revisions(connection: Connection, *, accept_newer: bool) -> tuple[str | None, str | None]:
    """Return the revision of the schema, and the one that this code needs."""
    # Revisions are numbers, with which the names of their files begin.
    known = sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("*.py"))
    if not known:
        raise StartupError("this installation has no migrations")
    current = own_revision(connection)
    if current is None or current in known:
        return current, known[-1]
    if accept_newer:
        return current, current
    newer = f"the database schema ({current}) is newer than this code ({known[-1]})"
    raise StartupError(f"{newer}; upgrade the code, or set AUTH_ACCEPT_NEWER_SCHEMA=true to go back to this release")
