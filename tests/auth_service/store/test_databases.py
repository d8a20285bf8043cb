import asyncio
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from auth_service.errors import StartupError, Unavailable
from auth_service.models import User
from auth_service.store import Store
from auth_service.store.sql import open_database, open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import HASH


@pytest.mark.parametrize(
    "url",
    ["", "auth.db", "sqlite://", "sqlite:///:memory:", "mysql://h/db", "sqlite+aiosqlite:///x", "http://x", "://"],
)
def test_another_database_is_named(url: str) -> None:
    """What is neither a SQLite file nor PostgreSQL is a problem that names its setting, without the URL."""
    with pytest.raises(StartupError, match="AUTH_DATABASE_URL"):
        open_database(url)


def test_a_password_in_the_url_is_not_repeated() -> None:
    """The problem of a URL with a password does not show it."""
    with pytest.raises(StartupError) as caught:
        open_database("mysql://u:hunter2@h/db")
    assert "hunter2" not in str(caught.value)


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A database under something that is no directory is one line with the path."""
    (tmp_path / "file").touch()

    with pytest.raises(StartupError, match=r"AUTH_DATABASE_URL: cannot open .*/file/auth\.db"):
        open_database(f"sqlite:///{tmp_path}/file/auth.db")


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """A file of something else is left alone."""
    path = tmp_path / "auth.db"
    path.write_bytes(b"this is not a database, whatever it may look like" * 100)
    before = path.read_bytes()

    with pytest.raises(Unavailable):
        async with open_store(f"sqlite:///{path}"):
            pass
    assert before == path.read_bytes()


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """The database and what SQLite puts beside it are 0600, in a directory that is made on the way."""
    path = tmp_path / "var" / "auth.db"
    async with open_store(f"sqlite:///{path}") as store:
        await store.ping()
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert {0o600} == modes


async def test_an_answered_transaction_is_on_disk(url: str) -> None:
    """SQLite runs WAL with synchronous=FULL on every connection, writing or reading."""

    def pragmas(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in names]

    database = open_database(url)
    try:
        written, read = await database.write(pragmas), await database.read(pragmas)
    finally:
        await database.close()

    assert (["wal", 2, 1], ["wal", 2, 1]) == (written, read)


async def test_a_reader_sees_one_state(store: Store, url: str) -> None:
    """A transaction that reads does not see what is committed meanwhile, and does not hold it up."""
    loop, begun, added = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    count = text("SELECT count(*) FROM users")

    def count_twice(connection: Connection) -> tuple[int, int]:
        before = connection.execute(count).scalar_one()
        loop.call_soon_threadsafe(begun.set)
        assert added.wait(10)
        return before, connection.execute(count).scalar_one()

    database = open_database(url)
    try:
        counting = asyncio.create_task(database.read(count_twice))
        await begun.wait()
        await store.add_user(User("u-2", "mk", "mk@example.org", ""), HASH, now=START_MS)
        added.set()
        counts = await counting
    finally:
        await database.close()

    assert (1, 1) == counts
    assert 2 == len(await store.list_users())


async def test_another_process_that_writes_is_waited_for(store: Store, tmp_path: Path) -> None:
    """A writer that finds another's transaction open waits for its end."""
    with closing(sqlite3.connect(tmp_path / "auth.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        adding = asyncio.create_task(store.add_user(User("u-2", "mk", "mk@example.org", ""), HASH, now=START_MS))
        await store.list_users()
        assert not adding.done()
        other.execute("COMMIT")

    assert await adding


async def test_a_failed_transaction_is_rolled_back(url: str, store: Store) -> None:
    """An exception inside a transaction undoes it and passes unchanged."""

    def delete_and_fail(connection: Connection) -> None:
        connection.execute(text("DELETE FROM users"))
        raise ZeroDivisionError

    database = open_database(url)
    try:
        with pytest.raises(ZeroDivisionError):
            await database.write(delete_and_fail)
    finally:
        await database.close()

    assert 1 == len(await store.list_users())
