import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from dualtoken.auth_service.domain.clock import steady_clock, wall_clock
from dualtoken.auth_service.domain.models import Session, User, new_session_id
from dualtoken.auth_service.errors import ClockDiffers
from dualtoken.auth_service.events.events import Events
from dualtoken.auth_service.store import Reading, Store
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.sql import open_database, open_store
from dualtoken.auth_service.use_cases.clock_guard import ClockGuard
from dualtoken.auth_service.use_cases.expired_sessions import Janitor
from tests.auth_service.running import START_MS, ManualClock
from tests.deadline import HANGS_S
from tests.postgresql import Cluster

DAY_MS = 86_400_000


@pytest.fixture
async def store(tmp_path: Path, user: User) -> AsyncIterator[Store]:
    """SQLite, with a session of now that lives for thirty days."""
    async with open_store(f"sqlite:///{tmp_path / 'auth.db'}") as store:
        await store.add_user(user, "hash", now=START_MS)
        session = Session(new_session_id(), user, 0, START_MS, None, START_MS, START_MS + 30 * DAY_MS)
        await store.create_session(session, verified_hash="hash")
        yield store


@pytest.fixture
async def server(postgresql: Cluster) -> AsyncIterator[Store]:
    """PostgreSQL, which has a clock of its own."""
    postgresql.execute("CREATE DATABASE clocks")
    database = open_database(postgresql.url("clocks"))
    await upgrade(database)
    await database.close()
    async with open_store(postgresql.url("clocks")) as store:
        yield store
    postgresql.execute("DROP DATABASE clocks WITH (FORCE)")


async def test_nothing_is_deleted_by_a_clock_that_started_ahead(store: Store) -> None:
    """Without a jump to be seen, SQLite cannot tell it from a long rest: what the newest row cannot vouch for stays."""
    guard = ClockGuard(store, ManualClock(START_MS + 400 * DAY_MS), ManualClock(0), Events())
    await guard.compare()

    assert 0 == await Janitor(store, guard.certain, keep=0).sweep()


async def test_what_expires_while_the_service_runs_is_deleted(store: Store) -> None:
    """Time that passed on the steady clock is time, whatever the newest row says."""
    wall, steady = ManualClock(), ManualClock(0)
    guard = ClockGuard(store, wall, steady, Events())
    await guard.compare()
    for clock in (wall, steady):
        clock.advance(30 * 86_400 + 1)

    assert 1 == await Janitor(store, guard.certain, keep=0).sweep()


async def test_nothing_is_deleted_while_the_clock_is_in_doubt(store: Store) -> None:
    """The clean-up waits, as everybody does."""
    wall = ManualClock()
    guard = ClockGuard(store, wall, ManualClock(0), Events())
    await guard.compare()
    wall.advance(40 * 86_400)

    with pytest.raises(ClockDiffers):
        await Janitor(store, guard.certain, keep=0).sweep()


async def test_the_clock_of_the_server_decides(server: Store) -> None:
    """On PostgreSQL minutes are enough, also where the service started with them; it is told once, and when it ends."""
    wall = ManualClock(wall_clock() + 3_600_000)
    events = Events()
    guard = ClockGuard(server, wall, ManualClock(0), events)
    with capture_logs() as logs:
        for ahead_ms in (3_600_000, -3_600_000):
            wall.now = wall_clock() + ahead_ms
            await guard.compare()
            with pytest.raises(ClockDiffers):
                guard()
        wall.now = before = wall_clock()
        await guard.compare()
        after = wall_clock()

    assert wall.now == guard()
    assert ["clock.differs", "clock.agrees"] == [line["event"] for line in logs]
    ahead_s = events.registry.get_sample_value("auth_clock_ahead_seconds")
    assert ahead_s is not None
    assert before - after - 1 <= ahead_s * 1000 <= 1  # the server read its clock in between, to the millisecond


async def test_a_paused_machine_goes_on_by_itself(server: Store) -> None:
    """Its clocks disagree after the pause; the server's is asked at once, and agrees with the wall's."""
    steady = ManualClock(steady_clock())
    events = Events()
    guard = ClockGuard(server, wall_clock, steady, events)
    await guard.compare()
    steady.advance(-9 * 3600)  # as if it had stood still
    with pytest.raises(ClockDiffers):
        guard()
    compared = asyncio.Event()
    events.clock_compared = lambda *_, **__: compared.set()  # type: ignore[method-assign]
    watching = asyncio.create_task(guard.run())
    await asyncio.wait_for(compared.wait(), HANGS_S)
    watching.cancel()
    await asyncio.wait([watching])

    assert guard() <= wall_clock()


async def test_replicas_agree_on_the_time_of_the_server(server: Store) -> None:
    """What is told of sessions is by its clock, on a machine that is minutes behind as on one that is ahead."""
    before = wall_clock()
    guards = [
        ClockGuard(server, ManualClock(before + ahead_ms), ManualClock(0), Events()) for ahead_ms in (-200_000, 200_000)
    ]
    for guard in guards:
        await guard.compare()
    after = wall_clock()

    for guard in guards:
        assert before - 1 <= guard.agreed() <= after + 1


async def test_an_answer_that_was_slow_moves_no_clock() -> None:
    """The server read its clock at some moment before it answered: a guess that fits is kept."""

    class Server:
        async def read_clock(self) -> Reading:
            took_s = answers.pop(0)
            steady.advance(took_s / 2)
            at = START_MS + steady.now
            steady.advance(took_s / 2)
            return Reading(at, is_clock=True)

    answers, steady = [0.002, 8.0], ManualClock(0)
    guard = ClockGuard(cast(Store, Server()), lambda: START_MS + steady.now, steady, Events())
    for _ in range(2):
        await guard.compare()

        assert START_MS + steady.now == guard.agreed()


async def test_sqlite_has_no_clock_to_agree_on(store: Store) -> None:
    """All of its processes are on one machine, and take that one's."""
    wall = ManualClock(START_MS + 1000)
    guard = ClockGuard(store, wall, ManualClock(0), Events())
    await guard.compare()

    assert wall.now == guard.agreed()
