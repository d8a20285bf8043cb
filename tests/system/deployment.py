"""A database and the auth processes over it, as the histories and the fault tests need them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from auth_service.keys import create, read_key_file, secret_of
from auth_service.models import Client, Session, User, new_session_id
from auth_service.passwords import HASHER
from auth_service.refresh_tokens import RefreshKey, RefreshTokens
from auth_service.sessions import wall_clock
from auth_service.store.migrate import upgrade
from auth_service.store.sql import open_database, open_store
from tests.postgresql import Cluster, clusters
from tests.system.processes import PASSWORD, Service, no_leftovers

_YEAR_MS = 365 * 24 * 3_600_000
USERNAME = "alice"
_ALICE = User(id="alice", username=USERNAME, email="alice@example.org", scope="read")


class Database(Protocol):
    """What the auth processes share."""

    @property
    def url(self) -> str:
        """Return the URL as the settings take it."""

    async def kill(self) -> None:
        """End it as a power cut does, if it is a server."""

    async def start(self) -> None:
        """Start it again."""

    @property
    def is_server(self) -> bool:
        """Whether there is anything to kill."""

    def query(self, statement: str) -> list[str]:
        """Return the rows of a statement with one column, as text."""


@dataclass(frozen=True)
class Sqlite:
    """One file."""

    path: Path
    is_server: bool = False

    @property
    def url(self) -> str:
        """Return the URL as the settings take it."""
        return f"sqlite:///{self.path}"

    async def kill(self) -> None:
        """Nothing runs."""

    async def start(self) -> None:
        """Nothing runs."""

    def query(self, statement: str) -> list[str]:
        """Return the rows of a statement with one column, as text."""
        with closing(sqlite3.connect(self.path, timeout=30)) as connection:
            return [str(value) for (value,) in connection.execute(statement)]


@dataclass
class Postgres:
    """A server with a database of its own for the auth service. ``url`` may name several hosts."""

    cluster: Cluster
    url: str
    is_server: bool = True

    async def kill(self) -> None:
        """SIGKILL the server."""
        await asyncio.to_thread(self.cluster.kill)

    async def start(self) -> None:
        """Start it; it recovers from its log."""
        await asyncio.to_thread(self.cluster.start)

    def query(self, statement: str) -> list[str]:
        """Return the rows of a statement with one column, as text."""
        return self.cluster.execute(statement, database="auth").splitlines()


@contextmanager
def postgres(**settings: str) -> Iterator[Postgres]:
    """Yield a running server with the newest schema."""
    with clusters(1, settings=[settings]) as (cluster,):
        cluster.initialise().start().execute("CREATE DATABASE auth")
        yield Postgres(cluster, cluster.url("auth"))


def make_keys(folder: Path) -> None:
    """Write the key files that ``auth_settings`` names."""
    for name in ("access", "refresh"):
        create(folder / f"{name}.jwks.json")


def auth_settings(folder: Path, database_url: str, **settings: str) -> dict[str, str]:
    """Return the settings of an auth service on a port of the system's choice; its keys lie in *folder*."""
    return {
        "AUTH_PORT": "0",
        "AUTH_DATABASE_URL": database_url,
        "AUTH_ACCESS_KEYS": str(folder / "access.jwks.json"),
        "AUTH_REFRESH_KEYS": str(folder / "refresh.jwks.json"),
        **settings,
    }


class Deployment:
    """Auth processes over one database.

    Args:
        folder: for keys and logs.
        database: running.
        count: how many processes.
        settings: ``AUTH_…`` variables beside the usual.
    """

    def __init__(self, folder: Path, database: Database, count: int, settings: Mapping[str, str] | None = None) -> None:
        self.database = database
        self.settings = auth_settings(folder, database.url, **(settings or {}))
        self.processes = [Service("auth_service", folder / f"auth-{n}.log", self.settings) for n in range(count)]
        self.folder = folder

    async def seed(self, count: int) -> list[str]:
        """Open that many sessions of the user; return their refresh tokens. Log-ins would take 50 ms each."""
        now = wall_clock()
        refresh_tokens = RefreshTokens(
            [RefreshKey(key["kid"], secret_of(key)) for key in read_key_file(self.folder / "refresh.jwks.json")]
        )
        ids = [new_session_id() for _ in range(count)]
        password_hash = HASHER.hash(PASSWORD)
        async with open_store(self.database.url) as store:
            await store.add_user(_ALICE, password_hash, now=now)
            for id_ in ids:
                session = Session(id_, _ALICE, 0, now, None, now, now + _YEAR_MS, client=Client("tests", "127.0.0.1"))
                assert [] == await store.create_session(session, verified_hash=password_hash)
        return [refresh_tokens.encode(id_, 0) for id_ in ids]

    def ports(self) -> list[int]:
        """Return where a load balancer would send requests now."""
        return [process.port for process in self.processes if process.is_running and process.port]

    def count(self, event: str) -> int:
        """Return how often the processes logged an event, those killed since included."""
        return sum(len(process.events(event)) for process in self.processes)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return those events."""
        return [found for process in self.processes for found in process.events(event)]


@asynccontextmanager
async def deployed(folder: Path, database: Database, count: int = 1, **settings: str) -> AsyncIterator[Deployment]:
    """Yield running auth processes with keys and a current schema; end them afterwards."""
    make_keys(folder)
    deployment = Deployment(folder, database, count, settings)
    engines = open_database(database.url)
    await upgrade(engines)
    await engines.close()
    with no_leftovers(*deployment.processes):
        await asyncio.gather(*(process.start() for process in deployment.processes))
        yield deployment
        await asyncio.gather(*(process.kill() for process in deployment.processes))
