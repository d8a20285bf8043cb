"""A user can be erased: all sessions are found by their user, those that ended behind those that live.

On PostgreSQL the new index is built CONCURRENTLY, and each statement can be repeated, as in 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

# Outside of a transaction, nothing but the name says in which schema the tables are.
_SCHEMA = sa.text(
    "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE pg_class.oid = to_regclass('sessions')"
)


def upgrade() -> None:
    """Make the index of users hold all sessions."""
    old, new, columns = "ix_sessions_user_id", "ix_sessions_of_user", ["user_id", "revoked_at"]
    if op.get_context().dialect.name == "sqlite":
        op.create_index(new, "sessions", columns)
        op.drop_index(old, "sessions")
        return
    schema = op.get_bind().scalar(_SCHEMA)
    beside = {"schema": schema, "postgresql_concurrently": True}
    with op.get_context().autocommit_block():
        op.drop_index(new, "sessions", if_exists=True, **beside)
        op.create_index(new, "sessions", columns, **beside)
        op.drop_index(old, "sessions", if_exists=True, **beside)
