"""Bring the schema up to date, or say that it is not. Migrations are Alembic's."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from auth_service.errors import StartupError
from auth_service.store.database import Database

LOCK = 0x6475_616C_0002
"""Held by the process that migrates; any number will do, if nothing else in the database uses it."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    return config


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
    config = _config()
    before, head = _revisions(connection, config)
    target = head if to == "head" else to
    if before != target:
        config.attributes["connection"] = connection
        command.upgrade(config, target)
    return before, target


async def require_current_schema(database: Database) -> None:
    """Return if the schema is the newest.

    Raises:
        StartupError: it is behind, or newer than this code.
        Unavailable: the database does not answer.
    """
    current, head = await database.read(lambda connection: _revisions(connection, _config()))
    if current != head:
        behind = f"the database schema is at {current or 'nothing'}, this code needs {head}"
        raise StartupError(f"{behind}: run `python -m auth_service migrate`")


def _revisions(connection: Connection, config: Config) -> tuple[str | None, str]:
    scripts = ScriptDirectory.from_config(config)
    head = scripts.get_current_head()
    if head is None:
        raise StartupError("this installation has no migrations")
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StartupError(f"the database schema ({current}) is newer than this code ({head}); upgrade the code")
    return current, head
