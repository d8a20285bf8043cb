import asyncio
import re
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Connection

from dualtoken.auth_service.domain.models import Presented, RevocationReason, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import RotationPolicy
from dualtoken.auth_service.errors import StartupError, Unavailable
from dualtoken.auth_service.store import Store
from dualtoken.auth_service.store.rotation_sql import build_statements
from dualtoken.auth_service.store.rotations import rotate
from dualtoken.auth_service.store.sql import open_database, open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, HASH
from tests.deadline import HANGS_S

POLICY = RotationPolicy(refresh_ttl=7 * DAY, grace=10_000)


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


def pragmas(connection: Connection) -> list[object]:
    """Return what a connection is set to."""
    names = ("journal_mode", "synchronous", "foreign_keys")
    return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]


async def test_an_answered_transaction_is_on_disk(url: str) -> None:
    """SQLite runs WAL with synchronous=FULL on every connection, writing or reading."""
    database = open_database(url)
    try:
        assert ["wal", 2, 1] == await database.write(pragmas)
        assert ["wal", 2, 1] == await database.read(pragmas)
    finally:
        await database.close()


async def test_a_reader_sees_one_state(store: Store, url: str) -> None:
    """A transaction that reads does not see what is committed meanwhile, and does not hold it up."""
    database, loop = open_database(url), asyncio.get_running_loop()
    added = User("u-2", "mk", "mk@example.org", "")

    def count(connection: Connection) -> list[int]:
        before = connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one()
        adding = asyncio.run_coroutine_threadsafe(store.add_user(added, HASH, now=START_MS), loop)
        assert adding.result(HANGS_S)
        return [before, connection.exec_driver_sql("SELECT count(*) FROM users").scalar_one()]

    try:
        assert [1, 1] == await database.read(count)
    finally:
        await database.close()

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


class Clock:
    """Seconds, as ``time.monotonic`` counts them; moves when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of SQLite's transactions."""
    clock = Clock()
    monkeypatch.setattr("dualtoken.auth_service.store.sqlite.monotonic", clock)
    return clock


def run_too_late(_connection: Connection) -> None:
    """Fail: this transaction must not run."""
    raise AssertionError


async def test_a_transaction_that_stood_too_long_in_the_queue_does_not_begin(url: str, seconds: Clock) -> None:
    """Ten seconds after it was submitted, a write that waits behind another is unavailable, and leaves the file alone.

    The feed of revocations looks back only so far: one that came later would be answered, and never heard of.
    """
    database, begun, may_go_on = open_database(url), threading.Event(), threading.Event()

    def work(_connection: Connection) -> bool:
        begun.set()
        return may_go_on.wait(HANGS_S)

    busy = asyncio.create_task(database.write(work))
    await asyncio.to_thread(begun.wait, HANGS_S)
    late = asyncio.create_task(database.write(run_too_late))
    await asyncio.sleep(0)
    seconds.now = 10.1
    may_go_on.set()

    with pytest.raises(Unavailable):
        await late
    assert await busy
    await database.close()


@pytest.mark.parametrize(("waited", "answered"), [(10.0, True), (10.1, False)])
async def test_a_transaction_that_waited_too_long_for_another_process_is_rolled_back(
    store: Store, url: str, session: Session, seconds: Clock, waited: float, answered: bool
) -> None:
    """A revocation that got its turn more than ten seconds after it was submitted has not happened."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        revoking = asyncio.create_task(store.revoke(session.id, RevocationReason.LOGOUT, now=START_MS))
        await store.list_users()  # it has begun: threads take turns
        seconds.now = waited
        other.execute("COMMIT")
    outcome = (await asyncio.gather(revoking, return_exceptions=True))[0]
    found = await store.find_session(session.id)

    assert found is not None
    assert (answered, answered) == (outcome is True, found.revoked_at is not None)
    assert answered or isinstance(outcome, Unavailable)


async def test_a_failed_transaction_is_rolled_back(url: str, store: Store) -> None:
    """An exception inside a transaction undoes it and passes unchanged."""
    database = open_database(url)

    def delete_users_and_fail(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM users")
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError):
            await database.write(delete_users_and_fail)
    finally:
        await database.close()

    assert 1 == len(await store.list_users())


async def test_a_caller_that_is_cancelled_leaves_its_transaction_whole(url: str, store: Store) -> None:
    """A transaction that has begun ends in its thread, whoever waits for it; closing waits as well."""
    database, begun, may_go_on = open_database(url), threading.Event(), threading.Event()

    def add_slowly(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE users SET email = 'half'")
        begun.set()
        assert may_go_on.wait(HANGS_S)
        connection.exec_driver_sql("UPDATE users SET email = email || ' and half'")

    caller = asyncio.create_task(database.write(add_slowly))
    await asyncio.to_thread(begun.wait, HANGS_S)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    may_go_on.set()
    await database.close()

    assert ["half and half"] == [user.email for user in await store.list_users()]


async def test_a_failed_batch_has_done_nothing(store: Store, session: Session, tmp_path: Path) -> None:
    """A batch that the database cannot carry out to its end leaves every row as it was."""
    other = session._replace(id=new_session_id())
    await store.create_session(other, verified_hash=HASH)
    for generation in range(2):
        await store.rotate([Presented(other.id, generation)], now=START_MS, policy=POLICY)
    with closing(sqlite3.connect(tmp_path / "auth.db")) as connection:
        failing = "BEFORE UPDATE OF revoked_at ON sessions BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        connection.execute(f"CREATE TRIGGER full {failing}")

    with pytest.raises(Unavailable, match="disk full"):
        await store.rotate([Presented(session.id, 0), Presented(other.id, 0)], now=START_MS, policy=POLICY)
    assert session == await store.find_session(session.id)


async def test_a_batch_is_found_by_keys_whatever_the_statistics_say(store: Store, url: str, session: Session) -> None:
    """Statistics that were gathered while the tables were small make no rotation scan them once they are large."""
    for _ in range(199):
        assert [] == await store.create_session(session._replace(id=new_session_id()), verified_hash=HASH)
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("ANALYZE")
    database = open_database(url)
    traced: list[str] = []

    def plans(connection: Connection) -> list[str]:
        driver = cast(sqlite3.Connection, connection.connection.driver_connection)
        driver.set_trace_callback(traced.append)
        rotate(connection, build_statements("sqlite"), [Presented(session.id, 0)], START_MS, POLICY)
        driver.set_trace_callback(None)
        return [row[3] for sql in traced for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}")]

    try:
        steps = await database.write(plans)
    finally:
        await database.close()

    assert ["UPDATE", "SELECT"] == [sql.split()[0] for sql in traced]
    by_key = {"SEARCH sessions USING PRIMARY KEY", "SEARCH users USING INDEX sqlite_autoindex_users_1"}
    assert {"SCAN json_each", *by_key} == {re.split(" [(]| VIRTUAL", step)[0] for step in steps}
