"""Rows that another transaction of PostgreSQL holds: an open psql, a process that stands still, a large UPDATE."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection

from dualtoken.auth_service.domain.models import Presented, RevocationReason, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import Kind, RotationPolicy
from dualtoken.auth_service.errors import Unavailable
from dualtoken.auth_service.store import SessionLimit, Store
from dualtoken.auth_service.store.postgresql_locks import LockWaits
from dualtoken.auth_service.store.sql import open_database
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, HASH
from tests.deadline import HANGS_S
from tests.postgresql import Cluster

pytestmark = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
POLICY = RotationPolicy(refresh_ttl=7 * DAY, grace=10_000)
OTHER = User("u-2", "ls", "", "")


@asynccontextmanager
async def held(url: str, statement: str, *values: object) -> AsyncIterator[None]:
    """Hold what *statement* locks during the block."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.fetch(statement, *values)
            yield
    finally:
        await connection.close()


@contextmanager
def waiting_for_a_second(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let transactions that begin in the block wait for rows for a second. Theirs is the usual time for all else."""
    run = LockWaits.run

    async def run_for_a_second(self: LockWaits, transaction: Any, _latest_s: float, **options: bool) -> Any:
        return await run(self, transaction, asyncio.get_running_loop().time() + 1, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LockWaits, "run", run_for_a_second)
        yield


def row(session: Session) -> tuple[str, str]:
    """Return the statement that holds a session's row, and its value."""
    return "SELECT FROM sessions WHERE id = $1 FOR UPDATE", session.id


async def opened(store: Store, session: Session, count: int = 1) -> list[Session]:
    """Open more sessions of the user of *session*."""
    others = [session._replace(id=new_session_id()) for _ in range(count)]
    for other in others:
        assert [] == await store.create_session(other, verified_hash=HASH)
    return others


async def test_the_rest_of_a_batch_does_not_wait(url: str, store: Store, session: Session) -> None:
    """What is held stays undecided, however often the batch presents it; all else is decided; later it rotates."""
    others = await opened(store, session, 20)
    batch = [Presented(each.id, 0) for each in (session, *others, session)]
    async with held(url, *row(session)):
        during = await store.rotate(batch, now=START_MS, policy=POLICY)
    after = await store.rotate([Presented(session.id, 0)], now=START_MS, policy=POLICY)

    assert [None, *[Kind.ROTATE] * 20, None] == [found and found.kind for found in during]
    assert [Kind.ROTATE] == [found and found.kind for found in after]


async def test_a_theft_is_told_once_it_can_be_recorded(url: str, store: Store, session: Session) -> None:
    """A spent token ends its session before anybody hears of it, and nothing is granted of the session meanwhile."""
    [other] = await opened(store, session)
    for generation in range(2):
        await store.rotate([Presented(session.id, generation, "digest")], now=START_MS, policy=POLICY)
    theft = [Presented(session.id, 0), Presented(session.id, 1, "digest"), Presented(other.id, 0)]
    async with held(url, *row(session)):
        during = await store.rotate(theft, now=START_MS, policy=POLICY)
        meanwhile = await store.find_session(session.id)
    after = await store.rotate(theft[:2], now=START_MS, policy=POLICY)

    assert [None, None, Kind.ROTATE] == [found and found.kind for found in during]
    assert meanwhile is not None
    assert None is meanwhile.revoked_at
    assert [Kind.REUSE, Kind.REVOKED] == [found and found.kind for found in after]


WAITING: dict[str, Callable[[Store, Session], Awaitable[object]]] = {
    "log-out": lambda store, one: store.revoke(one.id, RevocationReason.LOGOUT, now=START_MS),
    "log-out everywhere": lambda store, _: store.revoke_user("u-1", RevocationReason.LOGOUT, now=START_MS),
    "a new password": lambda store, _: store.set_password("u-1", "new", replacing=HASH, keep=None, now=START_MS),
    "disabling": lambda store, _: store.set_disabled("zs", disabled=True, now=START_MS),
}


@pytest.mark.parametrize("what", WAITING)
async def test_what_needs_a_held_row_fails_alone(
    url: str, store: Store, session: Session, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is unavailable in the end, and has done nothing; then it works. Other users notice nothing of it."""
    await store.add_user(OTHER, HASH, now=START_MS)
    other = session._replace(id=new_session_id(), user=OTHER)
    await store.create_session(other, verified_hash=HASH)
    async with held(url, *row(session)):
        with waiting_for_a_second(monkeypatch):
            waiting = [asyncio.ensure_future(WAITING[what](store, session)) for _ in range(40)]
            await asyncio.sleep(0)  # each has looked at the clock
        log_in = session._replace(id=new_session_id(), user=OTHER)
        assert [] == await store.create_session(log_in, verified_hash=HASH)
        [rotated] = await store.rotate([Presented(other.id, 0)], now=START_MS, policy=POLICY)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        untouched = await store.find_session(session.id)
    after = await WAITING[what](store, session)

    assert rotated is not None
    assert {Unavailable} == {type(outcome) for outcome in outcomes}
    assert untouched == session
    assert after in (True, 1)


async def test_a_user_that_is_held_can_be_logged_in_later(
    url: str, store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log-in waits for a change of its user alone; its refreshes go on."""
    new = session._replace(id=new_session_id())
    async with held(url, "SELECT FROM users WHERE id = $1 FOR UPDATE", "u-1"):
        with waiting_for_a_second(monkeypatch), pytest.raises(Unavailable, match="another transaction"):
            await store.create_session(new, verified_hash=HASH)
        [rotated] = await store.rotate([Presented(session.id, 0)], now=START_MS, policy=POLICY)

    assert rotated is not None
    assert Kind.ROTATE is rotated.kind
    assert [] == await store.create_session(new, verified_hash=HASH)


async def test_a_log_in_passes_over_sessions_that_are_held(url: str, store: Store, session: Session) -> None:
    """What is beyond the limit and held lives until the next log-in."""
    limit = SessionLimit(1, POLICY)
    later = [{"rotated_at": START_MS + n, "created_at": START_MS + n} for n in (1, 2)]
    new, newer = (session._replace(id=new_session_id(), **times) for times in later)
    async with held(url, *row(session)):
        ended = await store.create_session(new, verified_hash=HASH, limit=limit)

    assert [] == ended
    assert {session.id, new.id} == set(await store.create_session(newer, verified_hash=HASH, limit=limit) or [])


async def test_expired_sessions_that_are_held_keep_no_others(url: str, store: Store, session: Session) -> None:
    """The cleaner deletes the rest; once it is free, that one as well."""
    await opened(store, session, 5)
    async with held(url, *row(session)):
        first = await store.delete_expired(before=START_MS + 31 * DAY, limit=100)
    second = await store.delete_expired(before=START_MS + 31 * DAY, limit=100)

    assert (5, 1) == (first, second)


async def test_a_lock_costs_the_pool_no_connection(
    url: str, store: Store, session: Session, postgresql: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers is none that fell silent: its connections stay open."""
    backends = "SELECT pid FROM pg_stat_activity WHERE datname = 'contracts' AND backend_type = 'client backend'"
    await asyncio.gather(*(store.find_session(session.id) for _ in range(5)))
    # Not as the server lists them: those of an earlier test may be about to go.
    before = {str(connection.get_server_pid()) for connection in store._database._open if not connection.is_closed()}
    async with held(url, *row(session)):
        with waiting_for_a_second(monkeypatch), pytest.raises(Unavailable):
            await store.revoke(session.id, RevocationReason.LOGOUT, now=START_MS)

    assert before
    assert before <= set(postgresql.execute(backends).splitlines())


async def test_a_table_that_is_held_is_waited_for(url: str, store: Store, session: Session) -> None:
    """There is no way round a lock of the whole table: the batch waits, and goes on when it is free."""
    async with held(url, "LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE"):
        rotating = asyncio.create_task(store.rotate([Presented(session.id, 0)], now=START_MS, policy=POLICY))
        done, _ = await asyncio.wait([rotating], timeout=0.5)
    [rotated] = await rotating

    assert set() == done
    assert rotated is not None
    assert Kind.ROTATE is rotated.kind


async def test_a_process_that_stands_still_holds_nothing_for_long(
    url: str, store: Store, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two statements of a transaction it is thrown out, and what it did is undone."""
    holding, go_on = threading.Event(), threading.Event()

    def stands_still(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE sessions SET generation = 7")
        holding.set()
        assert go_on.wait(HANGS_S)
        connection.exec_driver_sql("SELECT 1")

    async def write() -> None:
        database = open_database(url)
        try:
            await database.write(stands_still)
        finally:
            await database.close()

    with monkeypatch.context() as patch:
        patch.setattr("dualtoken.auth_service.store.postgresql.IDLE_S", 1.0)
        standing = asyncio.create_task(asyncio.to_thread(asyncio.run, write()))
        assert await asyncio.to_thread(holding.wait, HANGS_S)
    async with asyncio.timeout(HANGS_S):
        while [None] == (found := await store.rotate([Presented(session.id, 0)], now=START_MS, policy=POLICY)):
            pass
    go_on.set()
    await asyncio.gather(standing, return_exceptions=True)  # it may be done again, if there is time left

    assert [(Kind.ROTATE, 1)] == [(each.kind, each.generation) for each in found if each]
