"""An assertion of another issuer opens one session."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the table, which the release before does not look at."""
    op.create_table(
        "spent_assertions",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_spent_assertions_expires_at", "spent_assertions", ["expires_at"])
