"""Auth services for benchmarks, with sessions to refresh, on SQLite or PostgreSQL."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.servers import server
from dualtoken.auth_service.domain import jwk
from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.login_guard.hashing import HASHER
from dualtoken.auth_service.store.sql import open_store
from dualtoken.auth_service.tokens.refresh import RefreshKey, RefreshTokens

DAY_MS = 86_400_000


USER = User("u", "zs", "zs@example.com", "read write")


async def open_sessions(
    url: str, tokens: RefreshTokens, number: int, user: User = USER, *, jkts: Sequence[str] = ()
) -> list[str]:
    """Open that many sessions of one user, the first bound to the keys *jkts*; return their refresh tokens."""
    now = time.time_ns() // 1_000_000
    async with open_store(url) as store:
        # A real hash: names that nobody has cost what it costs.
        await store.add_user(user, HASHER.hash("of nobody's"), now=now)
        bound = [*jkts, *[None] * (number - len(jkts))]
        opened = [Session(new_session_id(), user, 0, now, None, now, now + 30 * DAY_MS, jkt=jkt) for jkt in bound]
        for session in opened:
            assert await store.create_session(session, verified_hash=None) == []
    return [tokens.encode(session.id, 0) for session in opened]


def fill(database: Path, number: int) -> None:
    """Bring the table to *number* sessions, as if they had been opened over the last 30 days."""
    now = time.time_ns() // 1_000_000
    statement = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)
        INSERT INTO sessions (id, user_id, generation, skipped, batch, rotated_at, idempotency_digest, created_at,
                              expires_at, user_agent, ip)
        SELECT substr(hex(randomblob(11)), 1, 22) AS id, 'u', abs(random() % 1000), 0, 0, :now - abs(random() % :week),
               lower(hex(randomblob(32))), :now - i * 10, :now + abs(random() % :month), 'benchmark', '127.0.0.1'
        FROM n ORDER BY id"""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        have = connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
        if number > have:
            values = {"number": number - have, "now": now, "week": 7 * DAY_MS, "month": 30 * DAY_MS}
            # Nobody else has the file yet; a table that is cut short is filled anew.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000"):
                connection.execute(f"PRAGMA {pragma}")
            indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            for name, _ in (made := indexes.fetchall()):
                connection.execute(f"DROP INDEX {name}")
            connection.execute(statement, values)
            for _, sql in made:  # sorted at once, not entry by entry
                connection.execute(sql)
        connection.execute("ANALYZE")


def settings_of(folder: Path) -> dict[str, str]:
    """Make *folder*, with keys in it; return the settings of a service there, on any port."""
    folder.mkdir()
    files = {"AUTH_ACCESS_KEYS": folder / "access.jwks.json", "AUTH_REFRESH_KEYS": folder / "refresh.jwks.json"}
    for path in files.values():
        jwk_file.create(path)
    database = f"sqlite:///{folder / 'auth.db'}"
    return {name: str(path) for name, path in files.items()} | {"AUTH_DATABASE_URL": database, "AUTH_PORT": "0"}


def refresh_tokens(folder: Path) -> RefreshTokens:
    """Return what makes the tokens of the service in *folder*."""
    keys = jwk_file.read_key_file(folder / "refresh.jwks.json")
    return RefreshTokens([RefreshKey(key["kid"], jwk.secret_of(key)) for key in keys])


@contextlib.contextmanager
def auth_service(
    folder: Path,
    connections: int,
    sessions: int = 0,
    *,
    core: int | None = None,
    url: str | None = None,
    jkts: Sequence[str] = (),
    **more: str,
) -> Iterator[tuple[int, list[str]]]:
    """Start an auth service; give its port and refresh tokens of *connections* sessions.

    Args:
        folder: for its files, made here.
        connections: how many sessions are opened for the caller.
        sessions: to how many an SQLite table is filled.
        core: where it runs; None for any.
        url: of a database with the current schema; None for SQLite in *folder*.
        jkts: thumbprints of the keys that the first of them are bound to.
        more: settings.
    """
    settings = settings_of(folder) | {"AUTH_REFRESHES_PER_MINUTE": "0"} | more
    settings |= {"AUTH_DATABASE_URL": url} if url is not None else {}
    tokens = refresh_tokens(folder)
    first = asyncio.run(open_sessions(settings["AUTH_DATABASE_URL"], tokens, connections, jkts=jkts))
    if url is None:
        fill(folder / "auth.db", sessions)
    with server("-m", "auth_service", "serve", core=core, **settings) as port:
        yield port, first
