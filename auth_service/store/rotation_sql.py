"""The statements of a batch of rotations, for both databases: one UPDATE, then one SELECT.

They are texts, so that what runs is what stands here. Each differs by database only in how it takes the batch, and in
what keeps its rows from being waited for. Nothing of a request is ever part of a text.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, text

from ..domain.models import Presented
from ..domain.rotation import MAX_GENERATION
from .session_rows import ROTATION_COLUMNS

_ADVANCE = """
    UPDATE sessions {by_key}
    SET generation = presented.generation + 1,
        skipped = presented.generation - sessions.generation,
        batch = :nonce,
        rotated_at = :now,
        idempotency_digest = presented.digest
    FROM ({presented}) AS presented
    WHERE sessions.id = presented.id
      AND sessions.generation <= presented.generation
      AND presented.generation < {max_generation}
      AND (sessions.jkt IS NULL OR sessions.jkt = presented.jkt)
      AND sessions.revoked_at IS NULL
      AND sessions.expires_at > :now
      AND sessions.rotated_at > :idle_since
"""  # A bound session waits for a proof of its key (RFC 9449 §5).
# Outer joins keep the order that is right whatever the statistics say: a presentation, its session, its user.
_FIND = """
    SELECT {columns}
    FROM ({presented}) AS presented
    LEFT JOIN sessions {sessions_by_key} ON sessions.id = presented.id
    LEFT JOIN users {users_by_key} ON users.id = sessions.user_id
"""
_COLUMNS = ", ".join(str(column) for column in ROTATION_COLUMNS) + ", sessions.batch, sessions.skipped"


class Statements(Protocol):
    """The statements for one database."""

    def parameters(self, batch: Iterable[Presented]) -> dict[str, Any]:
        """Return the presentations, of different sessions, as both statements take them."""

    def advance(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """Advance what may advance, and is held by nobody else.

        Beside those of the batch, *parameters* are ``now`` and ``idle_since`` in milliseconds since the epoch, and
        ``nonce``, which then marks the rows that advanced.
        """

    def find(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """Return ``ROTATION_COLUMNS``, ``batch`` and ``skipped`` of each session; nulls of one that does not exist."""


class SqliteStatements:
    """For the driver in this process: nothing is left to compile or convert.

    The SELECT answers one row of JSON: the driver gives up the interpreter's lock for each row that it fetches, and
    under load gets it back only when the event loop lets go of it.
    """

    # One JSON object of texts: nested arrays would be parsed again for each member of each row. A text is generation,
    # digest (a SHA-256 in hexadecimal, or blanks) and thumbprint of a proven key, each at its place.
    _PRESENTED = """
        SELECT key AS id,
               CAST(substr(value, 1, 10) AS INTEGER) AS generation,
               nullif(rtrim(substr(value, 11, 64)), '') AS digest,
               nullif(substr(value, 75), '') AS jkt
        FROM json_each(:batch)
    """
    # By the primary key, always: with statistics of a table that was small, SQLite would scan it for each presentation.
    _SESSIONS, _USERS = (f"INDEXED BY sqlite_autoindex_{table}_1" for table in ("sessions", "users"))
    _ADVANCE = _ADVANCE.format(presented=_PRESENTED, by_key=_SESSIONS, max_generation=MAX_GENERATION)
    _FIND = _FIND.format(
        presented=_PRESENTED,
        columns=f"json_group_array(json_array({_COLUMNS}))",
        sessions_by_key=_SESSIONS,
        users_by_key=_USERS,
    )

    def parameters(self, batch: Iterable[Presented]) -> dict[str, Any]:
        """See ``Statements``."""
        packed = {
            item.session_id: f"{item.generation:010}{item.idempotency_digest or '':64}{item.jkt or ''}"
            for item in batch
        }
        return {"batch": to_json(packed).decode()}

    def advance(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """See ``Statements``. SQLite has one writer: nobody else holds anything."""
        _driver(connection).execute(self._ADVANCE, parameters)

    def find(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """See ``Statements``."""
        found = _driver(connection).execute(self._FIND, parameters).fetchone()[0]
        rows: list[list[Any]] = from_json(found, cache_strings=False)  # hardly a string comes twice
        return rows


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.driver_connection)


class PostgresqlStatements:
    """For asyncpg. A row that another transaction holds is passed over, never waited for: its batch is not its own."""

    _GIVEN = """
        SELECT given.*
        FROM unnest(
            CAST(:ids AS text[]), CAST(:generations AS bigint[]), CAST(:digests AS text[]), CAST(:jkts AS text[])
        ) AS given (id, generation, digest, jkt)
    """
    _FREE = "JOIN sessions AS held ON held.id = given.id FOR NO KEY UPDATE OF held SKIP LOCKED"
    _ADVANCE = text(_ADVANCE.format(presented=_GIVEN + _FREE, by_key="", max_generation=MAX_GENERATION))
    _FIND = text(_FIND.format(presented=_GIVEN, columns=_COLUMNS, sessions_by_key="", users_by_key=""))

    def parameters(self, batch: Iterable[Presented]) -> dict[str, Any]:
        """See ``Statements``."""
        rows = [(item.session_id, item.generation, item.idempotency_digest, item.jkt) for item in batch]
        ids, generations, digests, jkts = map(list, zip(*rows, strict=True))
        return {"ids": ids, "generations": generations, "digests": digests, "jkts": jkts}

    def advance(self, connection: Connection, parameters: dict[str, Any]) -> None:
        """See ``Statements``."""
        connection.execute(self._ADVANCE, parameters)

    def find(self, connection: Connection, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """See ``Statements``."""
        return connection.execute(self._FIND, parameters).all()


def build_statements(dialect: str) -> Statements:
    """Return the statements for ``sqlite`` or ``postgresql``."""
    return SqliteStatements() if dialect == "sqlite" else PostgresqlStatements()
