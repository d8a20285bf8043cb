"""The tables. Times are milliseconds since the epoch; ids are text that stands as it is in tokens."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False),
    Column("generation", BigInteger, nullable=False),
    # Of the last rotation: by how many generations it caught up, and in which batch (a random number). Only the UPDATE
    # itself can tell them without a race, and reading them back costs less than RETURNING.
    Column("skipped", BigInteger, nullable=False),
    Column("batch", BigInteger, nullable=False),
    Column("rotated_at", BigInteger, nullable=False),
    Column("idempotency_digest", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("revoked_at", BigInteger),
    Column("revoked_reason", Text),
    Column("user_agent", Text, nullable=False),
    Column("ip", Text, nullable=False),
    # One B-tree on SQLite: a rotation touches one page.
    sqlite_with_rowid=False,
    # Room on each page for the next version of a row: a rotation changes no indexed column, so PostgreSQL need not
    # touch an index (heap-only tuples).
    postgresql_with={"fillfactor": 80},
)

# Only live sessions are in it: a user's are counted at each log-in, however many have ended.
Index(
    "ix_sessions_user_id",
    sessions.c.user_id,
    sqlite_where=sessions.c.revoked_at.is_(None),
    postgresql_where=sessions.c.revoked_at.is_(None),
)

# Only revoked sessions are in it: the feed reads it, rotation never writes it.
Index(
    "ix_sessions_revoked_at",
    sessions.c.revoked_at,
    sqlite_where=sessions.c.revoked_at.is_not(None),
    postgresql_where=sessions.c.revoked_at.is_not(None),
)
