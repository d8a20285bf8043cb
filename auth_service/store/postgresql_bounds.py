"""What bounds a transaction on PostgreSQL, set for that transaction alone.

A setting of the connection would get lost, or reach others, where a pooler such as PgBouncer gives each transaction
another one.
"""

from typing import NamedTuple

from sqlalchemy import Connection

IDLE_S = 5.0
"""A process that stands still between two statements (stopped, or its machine paused) holds its rows no longer."""
_SET = "SELECT set_config('lock_timeout', $1, true), set_config('idle_in_transaction_session_timeout', $2, true)"
_SET_SCHEMA = f"{_SET}, set_config('search_path', $3, true)"


class Bounds(NamedTuple):
    """The most seconds that a transaction waits for a lock, and stands idle (0: for ever); and where its tables are."""

    lock_wait_s: float
    idle_s: float
    schema: str | None = None

    def set(self, connection: Connection) -> None:
        """Bind the transaction that has just begun."""
        times = (f"{self.lock_wait_s * 1000:.0f}ms", f"{self.idle_s * 1000:.0f}ms")
        if self.schema is None:
            connection.exec_driver_sql(_SET, times)
        else:
            connection.exec_driver_sql(_SET_SCHEMA, (*times, quoted(self.schema)))


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    return '"{}"'.format(name.replace('"', '""'))
