"""Sessions are asked for by user only while they live: what ended must not slow a log-in down."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the index of users hold live sessions alone."""
    live = sa.text("revoked_at IS NULL")
    op.drop_index("ix_sessions_user_id", "sessions")
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], sqlite_where=live, postgresql_where=live)
