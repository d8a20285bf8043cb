"""A database and the auth processes over it, as the histories and the fault tests need them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from dualtoken.auth_service.domain.clock import wall_clock
from dualtoken.auth_service.domain.jwk import secret_of
from dualtoken.auth_service.domain.models import Device, Session, User, new_session_id
from dualtoken.auth_service.keys.jwk_file import create, read_key_file
from dualtoken.auth_service.login_guard.hashing import HASHER
from dualtoken.auth_service.store.migrate import upgrade
from dualtoken.auth_service.store.sql import open_database, open_store
from dualtoken.auth_service.tokens.refresh import RefreshKey, RefreshTokens
from tests.ports import held_ports
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

    def held_rows(self, number: int) -> AbstractAsyncContextManager[int]:
        """Hold so many rows of sessions in a transaction; give how many, which is 0 where rows cannot be held."""


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

    @asynccontextmanager
    async def held_rows(self, number: int) -> AsyncIterator[int]:
        """Hold nothing: a writer has the whole file."""
        del number
        yield 0


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

    @asynccontextmanager
    async def held_rows(self, number: int) -> AsyncIterator[int]:
        """Hold rows that nobody else holds."""
        other = await asyncpg.connect(self.url)
        try:
            async with other.transaction():
                free = "SELECT id FROM sessions ORDER BY random() LIMIT $1 FOR UPDATE SKIP LOCKED"
                yield len(await other.fetch(free, number))
        finally:
            await other.close()


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
        front_port: where a proxy may listen: proofs may name it.
    """

    def __init__(
        self, folder: Path, database: Database, count: int, settings: Mapping[str, str], front_port: int
    ) -> None:
        self.database, self.front_port = database, front_port
        own = {"AUTH_DPOP_HTU": f"http://127.0.0.1:{front_port}", **settings}
        self.settings = auth_settings(folder, database.url, **own)
        self.processes = [Service("auth_service", folder / f"auth-{n}.log", self.settings) for n in range(count)]
        self.folder = folder

    async def seed(self, count: int, bound: Sequence[str] = ()) -> list[str]:
        """Open that many sessions of the user; return their refresh tokens. Log-ins would take 50 ms each.

        The first are bound to the keys with the thumbprints *bound*.
        """
        now = wall_clock()
        refresh_tokens = RefreshTokens(
            [RefreshKey(key["kid"], secret_of(key)) for key in read_key_file(self.folder / "refresh.jwks.json")]
        )
        ids = [new_session_id() for _ in range(count)]
        password_hash = HASHER.hash(PASSWORD)
        async with open_store(self.database.url) as store:
            await store.add_user(_ALICE, password_hash, now=now)
            device = Device("tests", "127.0.0.1")
            for id_, jkt in zip_longest(ids, bound):
                session = Session(id_, _ALICE, 0, now, None, now, now + _YEAR_MS, client=device, jkt=jkt)
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
    engines = open_database(database.url)
    await upgrade(engines)
    await engines.close()
    with ExitStack() as stack:
        [front_port] = stack.enter_context(held_ports(1))
        deployment = Deployment(folder, database, count, settings, front_port)
        stack.enter_context(no_leftovers(*deployment.processes))
        await asyncio.gather(*(process.start() for process in deployment.processes))
        yield deployment
        await asyncio.gather(*(process.kill() for process in deployment.processes))
