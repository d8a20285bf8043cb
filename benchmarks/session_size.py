"""What a session takes on disk, on SQLite and on PostgreSQL: indexes included, and again after it was refreshed.

    python -m benchmarks.session_size [--sessions 100000] [--refreshes 3]

Sessions are opened in the order of time, so that their random ids fall all over the B-trees, as they do in use; each is
then refreshed so many times, in random order and in batches, by the store itself. No file is packed meanwhile, apart
from what the databases do by themselves.
"""

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, insert

from dualtoken.auth_service.domain.models import Presented, User, new_session_id
from dualtoken.auth_service.domain.rotation import RotationPolicy
from dualtoken.auth_service.store.database import Database
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.schema import sessions
from dualtoken.auth_service.store.sql import SqlStore, open_database
from tests.postgresql import clusters

BATCH = 250
DAY_MS = 86_400_000
POLICY = RotationPolicy(refresh_ttl=7 * DAY_MS, grace=10_000)
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
USERS = 100
SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_total_relation_size('sessions')",
}


def row(session_id: str, now: int) -> dict[str, object]:
    """Return a session that was opened just now and refreshed once."""
    times = {"rotated_at": now, "created_at": now, "expires_at": now + 30 * DAY_MS}
    client = {"user_agent": USER_AGENT, "ip": "203.0.113.17"}
    digest = sha256(session_id.encode()).hexdigest()
    state = {"generation": 1, "skipped": 0, "batch": random.getrandbits(62), "idempotency_digest": digest}
    user_id = f"user-{random.randrange(USERS):018}"  # noqa: S311 - any spread will do
    return {"id": session_id, "user_id": user_id, **state, **times, **client}


def batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield all items, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


async def bytes_of(database: Database) -> int:
    """Return how large the table is, with its indexes."""

    def ask(connection: Connection) -> int:
        return int(connection.exec_driver_sql(SIZE[database.dialect]).scalar_one())

    return await database.read(ask)


async def wal_position(database: Database) -> int:
    """Return how many bytes PostgreSQL has ever written to its write-ahead log."""

    def ask(connection: Connection) -> int:
        return int(connection.exec_driver_sql("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").scalar_one())

    return await database.read(ask)


async def measure(url: str, number: int, refreshes: int) -> None:
    """Fill an empty database, refresh, and print the sizes."""
    database = open_database(url)
    try:
        await upgrade(database)
        store, now = SqlStore(database), time.time_ns() // 1_000_000
        for index in range(USERS):
            user = User(f"user-{index:018}", f"user-{index}", "zs@example.com", "read write")
            await store.add_user(user, "no hash", now=now)
        empty = await bytes_of(database)
        ids = [new_session_id() for _ in range(number)]
        for part in batches(ids, BATCH):
            rows = [row(session_id, now) for session_id in part]
            await database.write(lambda connection, rows=rows: connection.execute(insert(sessions), rows))
        print(
            f"{database.dialect:>12}  opened             {(await bytes_of(database) - empty) / number:6.0f} bytes each"
        )
        logged = await wal_position(database) if database.dialect == "postgresql" else 0
        for generation in range(1, refreshes + 1):
            random.shuffle(ids)
            for part in batches(ids, BATCH):
                presented = [Presented(session_id, generation, sha256(b"key").hexdigest()) for session_id in part]
                await store.rotate(presented, now=now + generation, policy=POLICY)
            size = (await bytes_of(database) - empty) / number
            print(f"{database.dialect:>12}  refreshed {generation:2} times {size:6.0f} bytes each", flush=True)
        if database.dialect == "postgresql":
            wal = (await wal_position(database) - logged) / (number * refreshes)
            print(f"{database.dialect:>12}  write-ahead log    {wal:6.0f} bytes for each refresh", flush=True)
    finally:
        await database.close()


@contextlib.contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give the addresses of an empty database of each kind."""
    with tempfile.TemporaryDirectory() as folder, clusters() as [cluster]:
        cluster.initialise().start()
        yield {"SQLite": f"sqlite:///{Path(folder) / 'auth.db'}", "PostgreSQL": cluster.url()}


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--refreshes", type=int, default=3)
    options = parser.parse_args()
    with databases() as urls:
        for url in urls.values():
            asyncio.run(measure(url, options.sessions, options.refreshes))


if __name__ == "__main__":
    main()
