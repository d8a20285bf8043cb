"""A session may be allowed less than its user."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column, empty: neither database rewrites a row for it."""
    op.add_column("sessions", sa.Column("scope", sa.Text))
