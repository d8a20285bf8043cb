"""The tables. Times are milliseconds since the epoch; ids are text, used unchanged in tokens."""

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
    # Compact JSON, as it stands in each access token of the user.
    Column("claims", Text),
    # The SHA-256 of the hash that the user moved in with, once a log-in has replaced it; null: there is none.
    Column("moved_in", Text),
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
    # Compact JSON, as it stands in each access token of the session: auth_time and amr.
    Column("claims", Text),
    # Narrower than the user's, or null.
    Column("scope", Text),
    # The thumbprint of the key that the session is bound to (RFC 7638), or null.
    Column("jkt", Text),
    # One B-tree on SQLite: a rotation touches one page.
    sqlite_with_rowid=False,
    # Room on each page for the next version of a row: a rotation changes no indexed column, so PostgreSQL need not
    # touch an index (heap-only tuples).
    postgresql_with={"fillfactor": 80},
)

# A user's live sessions are counted at each log-in, however many have ended; all are found when the user is erased.
Index("ix_sessions_of_user", sessions.c.user_id, sessions.c.revoked_at)

# Only revoked sessions are in it: the feed reads it, rotation never writes it.
Index(
    "ix_sessions_revoked_at",
    sessions.c.revoked_at,
    sqlite_where=sessions.c.revoked_at.is_not(None),
    postgresql_where=sessions.c.revoked_at.is_not(None),
)

# What opened a session once, until it counts no more by itself: the primary key lets no replica take it twice.
spent_assertions = Table(
    "spent_assertions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
    sqlite_with_rowid=False,
)
