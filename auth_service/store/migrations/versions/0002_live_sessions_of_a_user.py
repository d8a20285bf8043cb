"""Sessions are asked for by user only while they live: what ended must not slow a log-in down.

On PostgreSQL the new index is built beside the old one, CONCURRENTLY: while rows are read and written. Each statement
may have been interrupted before, so that each can be repeated.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_LIVE = sa.text("revoked_at IS NULL")
# Outside of a transaction, nothing but the name says in which schema the tables are.
_SCHEMA = sa.text(
    "SELECT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE pg_class.oid = to_regclass('sessions')"
)


def upgrade() -> None:
    """Make the index of users hold live sessions alone."""
    old, new = "ix_sessions_user_id", "ix_sessions_user_id_live"
    if op.get_context().dialect.name == "sqlite":
        op.drop_index(old, "sessions")
        op.create_index(old, "sessions", ["user_id"], sqlite_where=_LIVE)
        return
    schema = op.get_bind().scalar(_SCHEMA)
    beside = {"schema": schema, "postgresql_concurrently": True}
    with op.get_context().autocommit_block():
        op.drop_index(new, "sessions", if_exists=True, **beside)
        op.create_index(new, "sessions", ["user_id"], postgresql_where=_LIVE, **beside)
        op.drop_index(old, "sessions", if_exists=True, **beside)
    op.execute(f"ALTER INDEX {new} RENAME TO {old}")
