"""Bring the schema up to date, or say that it is not. Migrations are Alembic's.

Whether there is anything to do is found out without Alembic: it takes a sixth of a service's start to load, and a start
mostly finds nothing to do.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from auth_service.errors import StartupError
from auth_service.store.database import Database

LOCK = 0x6475_616C_0002
"""Held by the process that migrates; any number will do, if nothing else in the database uses it."""


_MIGRATIONS = Path(__file__).with_name("migrations")


async def upgrade(database: Database, *, to: str = "head") -> tuple[str | None, str]:
    """Migrate to the newest schema (or forward to *to*) in one transaction. Return the revisions before and after.

    Any number of processes may do this at once: on SQLite the transaction is exclusive from its first statement, on
    PostgreSQL an advisory lock makes it so.

    Raises:
        StartupError: the schema is newer than this code.
        Unavailable: the database does not answer.
    """
    # An index on millions of rows takes its time, and another process's migration is waited for.
    return await database.write(lambda connection: _upgrade(connection, to), bounded=False)


def _upgrade(connection: Connection, to: str) -> tuple[str | None, str]:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    before, head = _revisions(connection)
    target = head if to == "head" else to
    if before != target:
        _migrate(connection, target)
    return before, target


def _migrate(connection: Connection, target: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)


async def require_current_schema(database: Database) -> None:
    """Return if the schema is the newest.

    Raises:
        StartupError: it is behind, or newer than this code.
        Unavailable: the database does not answer.
    """
    current, head = await database.read(_revisions)
    if current != head:
        behind = f"the database schema is at {current or 'nothing'}, this code needs {head}"
        raise StartupError(f"{behind}: run `python -m auth_service migrate`")


def _revisions(connection: Connection) -> tuple[str | None, str]:
    # Revisions are numbers, with which the names of their files begin.
    known = sorted(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("*.py"))
    if not known:
        raise StartupError("this installation has no migrations")
    current = _current(connection)
    if current is not None and current not in known:
        raise StartupError(f"the database schema ({current}) is newer than this code ({known[-1]}); upgrade the code")
    return current, known[-1]


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found
