import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import TestClient

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.domain.clock import Clock
from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.keys import jwk_file
from dualtoken.auth_service.login_guard.delay import DelayedRefusal
from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.login_guard.lanes import Lanes
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.store.database_url import sqlite_file
from dualtoken.auth_service.store.sql import open_store
from tests.auth_service.command_line import Run, runner
from tests.auth_service.running import (
    FAST_HASHER,
    PASSWORD,
    START_MS,
    Auth,
    AuthServer,
    CountingHasher,
    ManualClock,
    no_sleep,
)
from tests.deadline import HANGS_S
from tests.redis_server import RedisServer, redis_server

StartAuth = Callable[..., Awaitable[Auth]]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AUTH_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def user() -> User:
    """The account that every test service knows; its password is ``PASSWORD``."""
    return User(id="u-1", username="zs", email="zs@example.org", scope="read write")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with fresh keys and a database file, all in the test's own directory."""
    access, refresh = tmp_path / "access.jwks.json", tmp_path / "refresh.jwks.json"
    for path in (access, refresh):
        jwk_file.create(path)
    return Settings(
        database_url=f"sqlite:///{tmp_path / 'auth.db'}",
        access_keys=access,
        refresh_keys=refresh,
        issuer="https://auth.example",
        audience="https://api.example",
    )


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema and no rows: made once, copied for each test."""
    path = tmp_path_factory.mktemp("migrated") / "auth.db"

    async def migrate() -> None:
        async with open_store(f"sqlite:///{path}"):
            pass

    with asyncio.Runner() as runner:
        runner.run(migrate())
    return path


@pytest.fixture
async def start_auth(settings: Settings, clock: ManualClock, user: User, migrated: Path) -> AsyncIterator[StartAuth]:
    """Return what starts a service, with settings changed as the caller likes and the user in its database."""
    async with AsyncExitStack() as stack:

        async def start(delayed: DelayedRefusal | None = None, *, steady: Clock | None = None, **changes: Any) -> Auth:
            changed = settings.model_copy(update=changes)
            database = sqlite_file(changed.database_url.get_secret_value())
            if database is not None and not database.exists():
                shutil.copyfile(migrated, database)
            async with open_store(changed.database_url.get_secret_value()) as store:
                await store.add_user(user, FAST_HASHER.hash(PASSWORD), now=START_MS)
            hasher = CountingHasher()
            app = create_app(
                changed,
                clock=clock,
                steady=steady,
                make_passwords=partial(Passwords, hasher, lanes=Lanes(1, deadline_s=HANGS_S)),
                delayed=delayed or DelayedRefusal(no_sleep),
            )
            client = await stack.enter_async_context(TestClient(AuthServer(app, changed)))
            return Auth(client, changed, clock, hasher)

        yield start


@pytest.fixture
async def auth(start_auth: StartAuth) -> Auth:
    """A running service with default settings."""
    return await start_auth()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run commands on keys and a database in the test's own directory: ``run("users", "list")``."""
    monkeypatch.setenv("AUTH_DATABASE_URL", f"sqlite:///{tmp_path / 'auth.db'}")
    monkeypatch.setenv("AUTH_ACCESS_KEYS", str(tmp_path / "access.jwks.json"))
    monkeypatch.setenv("AUTH_REFRESH_KEYS", str(tmp_path / "refresh.jwks.json"))
    return runner(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Commands set logging up for their process, on a standard error that ends with the test."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit of ours on a wait for Redis, or for a turn at a database: a machine may be slow, and its disk."""
    monkeypatch.setattr("dualtoken.auth_service.login_guard.counters._TIMEOUT_S", HANGS_S)
    for module in ("sqlite", "postgresql"):
        monkeypatch.setattr(f"dualtoken.auth_service.store.{module}.TRANSACTION_S", HANGS_S)
    monkeypatch.setattr("dualtoken.auth_service.store.sqlite._BUSY_TIMEOUT_S", HANGS_S)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server
