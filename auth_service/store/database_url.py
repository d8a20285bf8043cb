"""What ``AUTH_DATABASE_URL`` names. No I/O but a look for the file."""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from ..errors import StartupError


def sqlite_file(url: str) -> Path | None:
    """Return the file of a URL of SQLite; None: it is one of PostgreSQL.

    Raises:
        StartupError: it is neither.
    """
    if url.startswith(("postgresql://", "postgres://")):
        return None
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StartupError("AUTH_DATABASE_URL: not a database URL") from None
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StartupError("AUTH_DATABASE_URL: must be sqlite:///path or postgresql://…")
    return Path(parsed.database)


def missing_file(url: str) -> Path | None:
    """Return the file of SQLite that is not there yet; None where nothing is missing. Raises: StartupError."""
    path = sqlite_file(url)
    return path if path is not None and not path.exists() else None
