"""The privileges of the serving role on PostgreSQL: rows only. The migrating role owns the tables."""

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from ..errors import StartupError
from .database import Database

PRIVILEGES = {
    "users": "SELECT, INSERT, UPDATE, DELETE",  # a backend erases
    "sessions": "SELECT, INSERT, UPDATE, DELETE",  # the janitor deletes
    "spent_assertions": "SELECT, INSERT, DELETE",
    "alembic_version": "SELECT",  # `serve` refuses a schema that is not its own
}
# Grants on one table by several processes at once would fail for all but one.
_LOCK = 0x6475_616C_0003


def statements(role: str, schema: str | None = None) -> list[str]:
    """Return the statements that let *role* serve, for the owner of the tables to run."""
    quoted = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call] # SQLAlchemy's own
    grantee = quoted(role)
    on_tables = [f"GRANT {privileges} ON {table} TO {grantee}" for table, privileges in PRIVILEGES.items()]
    return on_tables if schema is None else [f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {grantee}", *on_tables]


async def grant(database: Database, role: str, schema: str | None = None) -> None:
    """Let *role* serve, in one transaction. Safe to repeat, and in several processes at once.

    Args:
        database: opened as the owner of the tables.
        role: of PostgreSQL.
        schema: that of ``AUTH_DATABASE_SCHEMA``, which others may not look into by themselves.

    Raises:
        StartupError: there is no such role, the tables are not ours to grant, or the database is not PostgreSQL.
        Unavailable: the database does not answer.
    """
    if database.dialect != "postgresql":
        raise StartupError("--grant-to: only PostgreSQL has roles")
    await database.write(lambda connection: _grant(connection, role, schema))


def _grant(connection: Connection, role: str, schema: str | None) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is None:
        raise StartupError(f"--grant-to: no role {role!a}")
    for statement in statements(role, schema):
        connection.exec_driver_sql(statement)
    # Who may not grant is warned by PostgreSQL, and no more.
    held = text("SELECT has_table_privilege(:role, :table, :privilege)")
    for table, privileges in PRIVILEGES.items():
        for privilege in privileges.split(", "):
            if not connection.scalar(held, {"role": role, "table": table, "privilege": privilege}):
                raise StartupError(f"--grant-to: {table} belongs to another role than that of AUTH_DATABASE_URL")
