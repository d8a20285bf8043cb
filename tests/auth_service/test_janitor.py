import asyncio
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from structlog.testing import capture_logs

from auth_service.janitor import Janitor
from auth_service.models import RevocationReason, Session, User, new_session_id
from auth_service.settings import LONGEST_ACCESS_TTL_S
from auth_service.store import SessionStore
from auth_service.store.migrate import upgrade
from auth_service.store.sql import open_database, open_store
from tests.auth_service.conftest import StartAuth
from tests.auth_service.running import START_MS, ManualClock
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


async def test_whatever_fails_is_tried_again(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that nobody foresaw is logged, and does not end the sweeping."""
    monkeypatch.setattr("auth_service.janitor._INTERVAL_S", 0)
    store = FailingOnce()
    with capture_logs() as logs:
        sweeping = asyncio.create_task(Janitor(cast(SessionStore, store), clock, keep=0).run())
        await asyncio.wait_for(store.called_again.wait(), 10)
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
    monkeypatch.setattr("auth_service.janitor._INTERVAL_S", 0)
    other = await start_auth()  # the first waits for a minute to pass
    await asyncio.wait_for(swept.wait(), 10)

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
    """On PostgreSQL, while another process deletes, a sweep deletes nothing and does not wait."""
    postgresql.execute("DROP DATABASE IF EXISTS swept", "CREATE DATABASE swept")
    url = postgresql.url("swept")
    with_schema = open_database(url)
    await upgrade(with_schema)
    await with_schema.close()
    async with open_store(url) as one, open_store(url) as other:
        await one.add_user(user, "hash", now=START_MS)
        expired = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 1000)
        await one.create_session(expired, verified_hash="hash")
        blocking = await asyncpg.connect(url)
        async with blocking.transaction():
            # The first process stands in its deletion, behind this lock on the row.
            await blocking.execute("SELECT 1 FROM sessions FOR UPDATE")
            first = asyncio.create_task(one.delete_expired(before=START_MS + 2000, limit=10))
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            while not await blocking.fetchval(held):  # noqa: ASYNC110 - the server offers nothing to wait on
                await asyncio.sleep(0.01)
            second = await asyncio.wait_for(other.delete_expired(before=START_MS + 2000, limit=10), 5)
        await blocking.close()

        assert (0, 1) == (second, await first)
