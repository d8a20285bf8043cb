"""An auth service that runs in the test's own event loop, on a real SQLite file and behind the runner of production."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher

from dualtoken.auth_service.cli.service import serving_of
from dualtoken.auth_service.settings import Settings
from tests.deadline import HANGS_S

PASSWORD = "correct horse battery staple"
START_MS = 1_800_000_000_000
FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class HeldBack:
    """Sleeps until told to wake up; remembers for how long it was to sleep."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.asleep = asyncio.Event()
        self.awake = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        """Sleep."""
        self.seconds.append(seconds)
        self.asleep.set()
        await self.awake.wait()


async def no_sleep(_seconds: float) -> None:
    """Return at once."""


class ManualClock:
    """Milliseconds since the epoch; moves only when told to."""

    def __init__(self, now: int = START_MS) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * 1000)


class CountingHasher(PasswordHasher):
    """A real argon2id hasher that remembers how often it verified."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the name of the base class
        """Count, and verify for real."""
        self.verified += 1
        return super().verify(hash, password)


class GatedHasher(PasswordHasher):
    """A real hasher whose verifications wait at a gate."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.gate = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the name of the base class
        """Wait, then verify for real."""
        assert self.gate.wait(HANGS_S)
        return super().verify(hash, password)


class AuthServer(TestServer):
    """Serves as the service itself does, not as aiohttp's test server would."""

    def __init__(self, app: web.Application, settings: Settings) -> None:
        super().__init__(app)
        self._settings = settings

    async def _make_runner(self, **_kwargs: Any) -> web.AppRunner:
        return serving_of(self._settings).make_runner(self.app)


@dataclass(frozen=True)
class Auth:
    """A running service and what a test needs to talk about it."""

    client: TestClient[web.Request, web.Application]
    settings: Settings
    clock: ManualClock
    hasher: CountingHasher

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return Path(self.settings.database_url.get_secret_value().removeprefix("sqlite:///"))

    async def post(self, path: str, body: object = None, **options: Any) -> ClientResponse:
        """Send *body* as JSON unless *options* say otherwise."""
        return await self.client.post(path, **({"json": body} if body is not None else {}), **options)

    async def log_in(self, username: str = "zs", password: str = PASSWORD) -> dict[str, Any]:
        """Return the token answer of a log-in that must succeed."""
        response = await self.post("/login", {"username": username, "password": password})
        assert 200 == response.status, await response.text()
        return dict(await response.json())

    async def refresh(self, token: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
        """Present a refresh token; return status and body."""
        headers = {} if key is None else {"Idempotency-Key": key}
        response = await self.post("/refresh", {"refresh_token": token}, headers=headers)
        return response.status, dict(await response.json())

    async def rotate(self, token: str, key: str | None = None) -> str:
        """Return the successor of a refresh token that must be granted."""
        status, body = await self.refresh(token, key)
        assert 200 == status, body
        return str(body["refresh_token"])

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement on the database file, on a connection of its own."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            return connection.execute(statement, values).fetchall()


def reason_of(answer: tuple[int, dict[str, Any]]) -> tuple[int, str, str | None]:
    """Return status, code and reason of an error answer."""
    status, body = answer
    return status, body["error"], body.get("reason")
