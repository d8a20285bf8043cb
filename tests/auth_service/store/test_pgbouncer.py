"""PostgreSQL behind PgBouncer in transaction mode: each transaction may run on another connection."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from dualtoken.auth_service.domain.models import Presented, RevocationReason, Session, User, new_session_id
from dualtoken.auth_service.domain.rotation import Kind, RotationPolicy
from dualtoken.auth_service.store import Store
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.postgresql_hosts import Connect
from dualtoken.auth_service.store.sql import open_database, open_store
from tests.auth_service.running import START_MS
from tests.auth_service.store.conftest import DAY, HASH
from tests.pgbouncer import pgbouncer
from tests.postgresql import Cluster

_SERVERS = 4  # connections to the server, for all clients together
_SCHEMA = "dualtoken"
_POLICY = RotationPolicy(refresh_ttl=DAY, grace=0)


@pytest.fixture
def url(postgresql: Cluster) -> Iterator[str]:
    """The URL of an empty database behind it."""
    postgresql.execute("DROP DATABASE IF EXISTS pooled WITH (FORCE)", "CREATE DATABASE pooled")
    with pgbouncer(postgresql, _SERVERS) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}/pooled"


async def _log_in_rotate_and_log_out(store: Store, number: int, between: Callable[[], Awaitable[None]]) -> None:
    """Use every statement that services repeat, *between* the others."""
    user = User(f"u-{number}", f"user {number}", "", "")
    session = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + DAY)
    assert await store.add_user(user, HASH, now=START_MS)
    assert [] == await store.create_session(session, verified_hash=HASH)
    for generation in range(3):
        [outcome] = await store.rotate([Presented(session.id, generation)], now=START_MS, policy=_POLICY)
        assert Kind.ROTATE is outcome.kind
        assert [session.id] == [each.id for each in await store.list_sessions(user.id, now=START_MS, policy=_POLICY)]
        await between()
    assert 1 == await store.revoke_user(user.id, RevocationReason.LOGOUT, now=START_MS)


async def test_each_transaction_may_run_on_another_connection(url: str) -> None:
    """Nothing that one connection was told is expected of the next: no statement, no schema, no lock. No setting."""
    database = open_database(url, _SCHEMA)
    await upgrade(database)
    await database.close()
    async with AsyncExitStack() as stack:

        async def occupy_a_connection() -> None:
            other = await asyncpg.connect(url)
            stack.push_async_callback(other.close)
            await other.execute("BEGIN")
            served.add(await other.fetchval("SELECT pg_backend_pid()"))

        served: set[int] = set()
        store = await stack.enter_async_context(open_store(url, _SCHEMA))
        await _log_in_rotate_and_log_out(store, 0, occupy_a_connection)

    assert _SERVERS - 1 == len(served)


@pytest.mark.usefixtures("patient")
async def test_many_stores_share_few_connections(url: str) -> None:
    """Twelve processes' worth of pools work through four connections at once."""
    database = open_database(url, _SCHEMA)
    await upgrade(database)
    await database.close()

    async def alone(number: int) -> None:
        async with open_store(url, _SCHEMA) as store:
            await _log_in_rotate_and_log_out(store, number, store.ping)

    await asyncio.gather(*(alone(number) for number in range(12)))


async def test_it_is_told_from_the_server_itself(url: str, postgresql: Cluster) -> None:
    """What would break behind it is done without it: statements stay prepared."""
    pooled = []
    for each in (url, postgresql.url()):
        connect = Connect(each)
        connection = await connect()
        pooled.append(connect.is_pooled)
        await connection.close()

    assert [True, False] == pooled
