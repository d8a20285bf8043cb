"""What access tokens say beyond the account: claims of the user, and of the session.

Columns that may be null: neither database rewrites a row for them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add both columns, empty."""
    op.add_column("users", sa.Column("claims", sa.Text))
    op.add_column("sessions", sa.Column("claims", sa.Text))
