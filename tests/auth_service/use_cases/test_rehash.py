"""When the parameters of argon2id rise, a log-in raises the stored hash, and nothing else happens."""

import asyncio

import pytest
from aiohttp.test_utils import TestClient
from argon2 import PasswordHasher

from dualtoken.auth_service.app import create_app
from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.login_guard.hashing import Passwords
from dualtoken.auth_service.settings import Settings
from dualtoken.auth_service.store.sql import SqlStore, open_store
from tests.auth_service.running import FAST_HASHER, PASSWORD, START_MS, AuthServer

STRONGER = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)


@pytest.fixture
async def yesterday(settings: Settings, user: User) -> Settings:
    """Settings whose database holds a hash of yesterday's parameters."""
    async with open_store(settings.database_url.get_secret_value()) as store:
        await store.add_user(user, FAST_HASHER.hash(PASSWORD), now=START_MS)
    return settings


def served(settings: Settings) -> TestClient:
    """Return a client of a service with today's parameters."""
    return TestClient(AuthServer(create_app(settings, make_passwords=lambda: Passwords(STRONGER, cores=1)), settings))


async def stored_hash(settings: Settings) -> str:
    """Return what the database holds."""
    async with open_store(settings.database_url.get_secret_value()) as store:
        found = await store.find_credentials("zs")
    assert found is not None
    return found.password_hash


async def log_in(client: TestClient) -> int:
    """Return the status of a log-in with the right password."""
    return (await client.post("/login", json={"username": "zs", "password": PASSWORD})).status


async def test_a_log_in_raises_a_weak_hash(yesterday: Settings) -> None:
    """The new hash has today's parameters, the password is the same, and sessions from before go on."""
    async with served(yesterday) as client:
        first = await client.post("/login", json={"username": "zs", "password": PASSWORD})
        raised = await stored_hash(yesterday)
        token = (await first.json())["refresh_token"]

        assert "t=2" in raised
        assert 200 == (await client.post("/refresh", json={"refresh_token": token})).status
        assert 200 == await log_in(client)
        assert raised == await stored_hash(yesterday)


async def test_a_wrong_password_raises_nothing(yesterday: Settings) -> None:
    """Only who knows the password can have it hashed anew."""
    before = await stored_hash(yesterday)
    async with served(yesterday) as client:
        assert 401 == (await client.post("/login", json={"username": "zs", "password": "wrong"})).status

    assert before == await stored_hash(yesterday)


async def test_log_ins_at_once_all_succeed(yesterday: Settings) -> None:
    """One of them raises the hash that the others have just verified: they look again. Four are a user's share."""
    async with served(yesterday) as client:
        statuses = await asyncio.gather(*(log_in(client) for _ in range(4)))

    assert [200] * 4 == statuses
    assert "t=2" in await stored_hash(yesterday)


async def test_a_change_of_password_wins_over_a_raised_hash(
    yesterday: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password that is changed while the old one is hashed anew stays changed."""
    changed = STRONGER.hash("another password altogether")
    strengthen = SqlStore.strengthen_hash

    async def change_first(self: SqlStore, user_id: str, password_hash: str, *, replacing: str) -> bool:
        assert 0 == await self.set_password(user_id, changed, replacing=None, keep=None, now=START_MS)
        return await strengthen(self, user_id, password_hash, replacing=replacing)

    monkeypatch.setattr(SqlStore, "strengthen_hash", change_first)
    async with served(yesterday) as client:
        await log_in(client)

    assert changed == await stored_hash(yesterday)
