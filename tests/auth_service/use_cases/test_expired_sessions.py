import asyncio
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.models import Credentials, RevocationReason, Session, User, new_session_id
from dualtoken.auth_service.grant_errors import InvalidAssertion
from dualtoken.auth_service.settings import LONGEST_ACCESS_TTL_S
from dualtoken.auth_service.store import SpentAssertion, Store
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.session_sql import JANITOR_LOCK
from dualtoken.auth_service.store.sql import open_database, open_store
from dualtoken.auth_service.use_cases.expired_sessions import Janitor
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import START_MS, ManualClock
from tests.deadline import HANGS_S
from tests.postgresql import Cluster


async def test_sessions_are_deleted_when_nothing_needs_them(tmp_path: Path, user: User, clock: ManualClock) -> None:
    """A session, revoked or not, is kept until its absolute end and a while longer; then all such go in one sweep."""
    session = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 1000)
    async with open_store(f"sqlite:///{tmp_path / 'auth.db'}") as store:
        await store.add_user(user, "hash", now=START_MS)
        for _ in range(501):
            session = session._replace(id=new_session_id())
            await store.create_session(session, verified_hash="hash")
        await store.revoke(session.id, RevocationReason.REUSE, now=START_MS)
        janitor = Janitor(store, clock, keep=60_000)
        clock.advance(61)

        assert 0 == await janitor.sweep()
        clock.advance(0.001)
        assert 501 == await janitor.sweep()
        assert 0 == await janitor.sweep()


async def test_spent_assertions_are_swept_as_well(tmp_path: Path, user: User, clock: ManualClock) -> None:
    """Some minutes after they have expired: the clock of another replica may be behind."""
    session = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 1000)
    account = Credentials(user, None)
    async with open_store(f"sqlite:///{tmp_path / 'auth.db'}") as store:
        spent = SpentAssertion("digest", START_MS)
        await store.open_by_assertion(session, spent, lambda _: account)
        again = session._replace(id=new_session_id())
        clock.advance(300)
        await Janitor(store, clock, keep=0).sweep()
        with pytest.raises(InvalidAssertion):
            await store.open_by_assertion(again, spent, lambda _: account)
        clock.advance(0.001)
        await Janitor(store, clock, keep=0).sweep()

        assert [] == await store.open_by_assertion(again, spent, lambda _: account)


class FailingOnce:
    """A store whose first deletion fails as no database does."""

    def __init__(self) -> None:
        self.calls, self.called_again = 0, asyncio.Event()

    async def delete_expired(self, *, before: int, limit: int) -> int:  # noqa: ARG002 - the store's signature
        self.calls += 1
        if self.calls == 1:
            raise ZeroDivisionError
        self.called_again.set()
        return 0

    async def delete_spent_assertions(self, *, before: int, limit: int) -> int:  # noqa: ARG002 - likewise
        return 0


async def test_whatever_fails_is_tried_again(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that nobody foresaw is logged, and does not end the sweeping."""
    monkeypatch.setattr("dualtoken.auth_service.use_cases.expired_sessions._INTERVAL_S", 0)
    store = FailingOnce()
    with capture_logs() as logs:
        sweeping = asyncio.create_task(Janitor(cast(Store, store), clock, keep=0).run())
        await asyncio.wait_for(store.called_again.wait(), HANGS_S)
        sweeping.cancel()
        await asyncio.wait([sweeping])

    assert [("janitor.failed", "error")] == [(line["event"], line["log_level"]) for line in logs]


async def test_the_service_sweeps(start_auth: StartAuth, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running application deletes what has expired, without being asked."""
    auth, swept = await start_auth(), asyncio.Event()
    await auth.log_in()
    clock.advance(auth.settings.session_ttl_s + LONGEST_ACCESS_TTL_S + 361)
    sweep = Janitor.sweep

    async def observed(self: Janitor) -> int:
        deleted = await sweep(self)
        if deleted:
            swept.set()
        return deleted

    monkeypatch.setattr(Janitor, "sweep", observed)
    monkeypatch.setattr("dualtoken.auth_service.use_cases.expired_sessions._INTERVAL_S", 0)
    other = await start_auth()  # the first waits for a minute to pass
    await asyncio.wait_for(swept.wait(), HANGS_S)

    assert [(0,)] == other.sql("SELECT count(*) FROM sessions")


async def test_a_task_that_ends_is_logged_at_once(start_auth: StartAuth, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service goes on without it, and says which it was."""

    async def run(_self: Janitor) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Janitor, "run", run)
    with capture_logs() as logs:
        auth = await start_auth()
        async with auth.client.get("/health/ready") as response:
            status = response.status

    assert 200 == status
    (ended,) = [line for line in logs if line["event"] == "task.ended"]
    assert ("critical", ZeroDivisionError) == (ended["log_level"], type(ended["exc_info"]))


async def test_one_process_sweeps_at_a_time(postgresql: Cluster, user: User) -> None:
    """On PostgreSQL a sweep waits neither for another process that sweeps nor for a row that somebody holds."""
    postgresql.execute("DROP DATABASE IF EXISTS swept WITH (FORCE)", "CREATE DATABASE swept")
    url = postgresql.url("swept")
    with_schema = open_database(url)
    await upgrade(with_schema)
    await with_schema.close()
    async with open_store(url) as one, open_store(url) as other:
        await one.add_user(user, "hash", now=START_MS)
        expired = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 1000)
        await one.create_session(expired, verified_hash="hash")
        blocking = await asyncpg.connect(url)
        async with blocking.transaction():  # of another process that sweeps
            await blocking.fetchval("SELECT pg_advisory_xact_lock($1)", JANITOR_LOCK)
            meanwhile = await one.delete_expired(before=START_MS + 2000, limit=10)
        async with blocking.transaction():  # of somebody who holds the row
            await blocking.execute("SELECT 1 FROM sessions FOR UPDATE")
            passed_over = await one.delete_expired(before=START_MS + 2000, limit=10)
        await blocking.close()
        afterwards = await other.delete_expired(before=START_MS + 2000, limit=10)

        assert (0, 0, 1) == (meanwhile, passed_over, afterwards)
