"""PostgreSQL that is away, silent, demoted, or elsewhere."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
import uvloop
from sqlalchemy import Connection, Engine, event, text

from dualtoken.auth_service.domain.models import Presented, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import Kind, RotationPolicy
from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.settings import load_settings
from dualtoken.auth_service.store.database import Database
from dualtoken.auth_service.store.sql import open_database, open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, HASH
from tests.connection import connected, listening
from tests.deadline import HANGS_S
from tests.postgresql import Cluster


class Relay:
    """A host that passes everything on to a server, until it falls silent: it takes connections, and says nothing.

    One that loses commits passes them on, too, but nothing that the server says from then on.
    """

    def __init__(self, to: int) -> None:
        self._to, self._speaks = to, asyncio.Event()
        self._speaks.set()
        self.loses_commits = False
        self.swallows = asyncio.Event()
        """Set once it has heard what it does not pass on."""
        self.accepted, self.port = 0, 0

    def silence(self) -> None:
        self._speaks.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        async with connected("127.0.0.1", self._to) as (onward, server), asyncio.TaskGroup() as both:
            both.create_task(self._pass(reader, server))
            both.create_task(self._pass(onward, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self._speaks.is_set():
                    self.swallows.set()
                await self._speaks.wait()
                writer.write(data)
                if self.loses_commits and b"COMMIT;" in data:
                    self.silence()
        writer.close()


@pytest.fixture
async def relay(postgresql: Cluster) -> AsyncIterator[Relay]:
    """A host in front of the server."""
    relay = Relay(postgresql.port)
    async with listening(relay.serve) as relay.port:
        yield relay


@pytest.fixture
async def database(postgresql: Cluster, relay: Relay) -> AsyncIterator[Database]:
    """A database with two hosts: the relay, then the server itself."""
    hosts = f"127.0.0.1:{relay.port},127.0.0.1:{postgresql.port}"
    database = open_database(f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write")
    yield database
    await database.close()


def one(connection: Connection) -> int:
    """Ask for nothing in particular."""
    return int(connection.exec_driver_sql("SELECT 1").scalar_one())


async def test_a_first_host_that_is_silent_is_passed_over(database: Database, relay: Relay) -> None:
    """A host that takes connections and never answers keeps nobody from the next one, which is then asked first."""
    relay.silence()
    async with asyncio.timeout(HANGS_S):
        first = await database.write(one)
        others = await asyncio.gather(*(database.write(one) for _ in range(3)))

    assert [1, 1, 1, 1] == [first, *others]
    assert 1 == relay.accepted


async def test_a_server_that_falls_silent_costs_one_transaction(
    database: Database, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that finds it out is unavailable; the pool's other connections to it are not tried in turn."""
    await asyncio.gather(*(database.write(one) for _ in range(5)))
    relay.silence()
    async with asyncio.timeout(HANGS_S):
        with monkeypatch.context() as patch:
            patch.setattr("dualtoken.auth_service.store.postgresql.TRANSACTION_S", 3)
            with pytest.raises(Unavailable):
                await database.write(one)

        assert 1 == await database.write(one)


async def test_a_commit_whose_answer_was_lost_is_followed_by_a_race(
    postgresql_url: str, postgresql: Cluster, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client without keys whose request was answered 503 at 10 s, though it was committed, repeats it unharmed."""
    policy = RotationPolicy(refresh_ttl=DAY, grace=load_settings().grace_s * 1000)
    limits: list[asyncio.Timeout] = []
    timeout_at = asyncio.timeout_at

    def remember(when: float | None) -> asyncio.Timeout:
        limits.append(timeout_at(when))
        return limits[-1]

    user = User(f"u-{new_session_id()}", f"u-{new_session_id()}", "", "")
    session = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + DAY)
    async with open_store(postgresql_url) as store:
        await store.add_user(user, HASH, now=START_MS)
        await store.create_session(session, verified_hash=HASH)
        async with open_store(postgresql_url.replace(f":{postgresql.port}/", f":{relay.port}/")) as losing:
            relay.loses_commits = True
            monkeypatch.setattr(asyncio, "timeout_at", remember)
            rotating = asyncio.create_task(losing.rotate([Presented(session.id, 0)], now=START_MS, policy=policy))
            await asyncio.wait_for(relay.swallows.wait(), HANGS_S)
            limits[-1].reschedule(asyncio.get_running_loop().time())  # the ten seconds are over
            with pytest.raises(Unavailable):
                await rotating
        [repetition] = await store.rotate([Presented(session.id, 0)], now=START_MS + 11_000, policy=policy)

    assert (Kind.RACE, 1) == (repetition.kind, repetition.generation)


async def test_a_transaction_is_bounded_as_a_whole(
    postgresql: Cluster, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements that are fast enough one by one are too slow together; nothing of them has happened."""
    postgresql.execute("DROP TABLE IF EXISTS slow", "CREATE TABLE slow (id int)")
    await database.write(one)
    monkeypatch.setattr("dualtoken.auth_service.store.postgresql.TRANSACTION_S", 1)

    def work(connection: Connection) -> None:
        for _ in range(20):
            connection.exec_driver_sql("INSERT INTO slow VALUES (1)")
            connection.exec_driver_sql("SELECT pg_sleep(0.2)")

    with pytest.raises(Unavailable):
        await database.write(work)
    assert "0" == postgresql.execute("SELECT count(*) FROM slow")


@pytest.fixture
def rows(postgresql: Cluster) -> Cluster:
    """A server with a table of two rows."""
    postgresql.execute("DROP TABLE IF EXISTS rows", "CREATE TABLE rows (id int PRIMARY KEY, value int)")
    postgresql.execute("INSERT INTO rows VALUES (1, 0), (2, 0)")
    return postgresql


async def test_two_that_lock_each_other_out_are_both_done(rows: Cluster) -> None:
    """Neither waits for long: what is given up runs again."""
    both_hold_one = threading.Barrier(2)
    runs = []

    def advancing(first: int, second: int) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            runs.append(first)
            connection.execute(text("UPDATE rows SET value = value + 1 WHERE id = :id"), {"id": first})
            if runs.count(first) == 1:
                both_hold_one.wait(HANGS_S)
            connection.execute(text("UPDATE rows SET value = value + 1 WHERE id = :id"), {"id": second})

        return work

    def in_a_loop_of_its_own(work: Callable[[Connection], None]) -> None:
        async def write() -> None:
            other = open_database(rows.url())
            await other.write(work)
            await other.close()

        asyncio.run(write())

    works = [advancing(1, 2), advancing(2, 1)]
    await asyncio.gather(*(asyncio.to_thread(in_a_loop_of_its_own, work) for work in works))

    assert len(runs) > 2
    assert ["2", "2"] == rows.execute("SELECT value FROM rows").splitlines()


async def test_what_deadlocks_again_is_unavailable(database: Database) -> None:
    """A transaction is tried twice, not for ever."""
    runs = []

    def work(connection: Connection) -> None:
        runs.append(1)
        connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$")

    with pytest.raises(Unavailable):
        await database.write(work)
    assert [1, 1] == runs


async def test_transactions_read_what_is_committed(postgresql: Cluster) -> None:
    """Whatever the default of the role or the server is, each statement sees what was committed before it."""
    postgresql.execute("DROP ROLE IF EXISTS strict", "CREATE ROLE strict LOGIN")
    postgresql.execute("ALTER ROLE strict SET default_transaction_isolation = 'repeatable read'")
    database = open_database(postgresql.url().replace("postgres@", "strict@"))
    level = await database.read(lambda connection: connection.exec_driver_sql("SHOW transaction_isolation").scalar())
    await database.close()

    assert "read committed" == level


def test_a_connection_that_closes_under_a_transaction_is_unavailable(postgresql: Cluster) -> None:
    """What uvloop raises then is the network's failure, not the program's."""

    def work(connection: Connection) -> None:
        connection.connection.driver_connection._transport.abort()  # type: ignore[union-attr]
        one(connection)

    async def write() -> None:
        database = open_database(postgresql.url())
        try:
            await database.write(work)
        finally:
            await database.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(Unavailable):
        runner.run(write())


async def test_a_fault_of_the_program_passes(database: Database) -> None:
    """A RuntimeError of another kind is none of the database's."""

    def work(_connection: Connection) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await database.write(work)


async def test_a_batch_is_one_update_and_one_select(postgresql_url: str) -> None:
    """However many rotations a batch holds, it is two statements, after the one that bounds the transaction."""
    executed: list[str] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        executed.append(statement.split(maxsplit=1)[0])

    batch = [Presented(new_session_id(), number) for number in range(256)]
    async with open_store(postgresql_url) as store:
        executed.clear()
        try:
            await store.rotate(batch, now=START_MS, policy=RotationPolicy(refresh_ttl=DAY, grace=0))
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    assert ["SELECT", "UPDATE", "SELECT"] == executed


async def test_no_host_is_unavailable(relay: Relay) -> None:
    """Where every host is silent or gone, that is said once each of them was tried."""
    relay.silence()
    database = open_database(f"postgresql://postgres@127.0.0.1:{relay.port},127.0.0.1:1/postgres")
    try:
        async with asyncio.timeout(HANGS_S):
            with pytest.raises(Unavailable):
                await database.read(one)
    finally:
        await database.close()


async def test_a_cluster_without_a_primary_is_unavailable(postgresql: Cluster) -> None:
    """Where no host is what target_session_attrs asks for, the database is unavailable."""
    database = open_database(f"{postgresql.url()}?target_session_attrs=standby")
    try:
        with pytest.raises(Unavailable, match="TargetServerAttributeNotMatched"):
            await database.read(one)
    finally:
        await database.close()
