"""What the role that serves may do on PostgreSQL: work on rows. The role that migrates owns the tables."""

from sqlalchemy import Connection, text
from sqlalchemy.dialects import postgresql

from auth_service.errors import StartupError
from auth_service.store.database import Database

PRIVILEGES = {
    "users": "SELECT, INSERT, UPDATE",  # accounts are disabled, never deleted
    "sessions": "SELECT, INSERT, UPDATE, DELETE",  # the janitor deletes
    "alembic_version": "SELECT",  # `serve` refuses a schema that is not its own
}
# Grants on one table by several processes at once would fail for all but one.
_LOCK = 0x6475_616C_0003


def statements(role: str) -> list[str]:
    """Return the statements that let *role* serve, for the owner of the tables to run."""
    grantee = postgresql.dialect().identifier_preparer.quote(role)  # type: ignore[no-untyped-call] # SQLAlchemy's own
    return [f"GRANT {privileges} ON {table} TO {grantee}" for table, privileges in PRIVILEGES.items()]


async def grant(database: Database, role: str) -> None:
    """Let *role* serve, in one transaction. Safe to repeat, and in several processes at once.

    Raises:
        StartupError: there is no such role, the tables are not ours to grant, or the database is not PostgreSQL.
        Unavailable: the database does not answer.
    """
    if database.dialect != "postgresql":
        raise StartupError("--grant-to: only PostgreSQL knows roles")
    await database.write(lambda connection: _grant(connection, role))


def _grant(connection: Connection, role: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is None:
        raise StartupError(f"--grant-to: no role {role!a}")
    for statement in statements(role):
        connection.exec_driver_sql(statement)
    # Who may not grant is warned by PostgreSQL, and no more.
    held = text("SELECT has_table_privilege(:role, :table, :privilege)")
    for table, privileges in PRIVILEGES.items():
        for privilege in privileges.split(", "):
            if not connection.scalar(held, {"role": role, "table": table, "privilege": privilege}):
                raise StartupError(f"--grant-to: {table} belongs to another role than that of AUTH_DATABASE_URL")
