"""A hash that a log-in has replaced is known when it comes again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column, empty: neither database rewrites a row for it."""
    op.add_column("users", sa.Column("moved_in", sa.Text))
