"""A session may be bound to a key."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column, empty: neither database rewrites a row for it."""
    op.add_column("sessions", sa.Column("jkt", sa.Text))
