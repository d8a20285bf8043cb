"""A database that is down, full, locked, read-only or of another version: a clear answer, and nothing is lost."""

import asyncio
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.deadline import HANGS_S
from tests.system.deployment import Database, Deployment, Postgres, Sqlite, auth_settings, deployed, make_keys, postgres
from tests.system.eventually import eventually
from tests.system.honest import UNAVAILABLE, Answer, present
from tests.system.processes import REPOSITORY, environment, run, succeed

_GENERATION = "SELECT generation FROM sessions"


class OneSession:
    """A deployment of one process and one session, and what a client asks of it."""

    def __init__(self, deployment: Deployment, http: aiohttp.ClientSession, token: str) -> None:
        self.deployment, self.token = deployment, token
        self.process, self.database = deployment.processes[0], deployment.database
        self._http = http

    async def refresh(self) -> Answer:
        """Present the session's first token, always with one key."""
        return await present(self._http, self.process.url, self.token, "the-key")

    async def health(self, kind: str) -> int:
        """Return the status of ``/health/live`` or ``/health/ready``."""
        async with self._http.get(f"{self.process.url}/health/{kind}") as response:
            return response.status

    async def readiness(self, awaited: int) -> int:
        """Return the status of ``/health/ready`` once it is *awaited*: an answer counts for a second."""
        async with asyncio.timeout(HANGS_S):
            while (status := await self.health("ready")) != awaited:  # noqa: ASYNC110 - each look is a request
                await asyncio.sleep(0.1)
        return status

    async def recovered(self) -> Answer:
        """Refresh as a client does, until the answer is another one than ``unavailable``."""
        async with asyncio.timeout(HANGS_S):
            while True:
                answer = await self.refresh()
                if answer != UNAVAILABLE:
                    return answer
                await asyncio.sleep(0.05)


@asynccontextmanager
async def one_session(folder: Path, database: Database) -> AsyncIterator[OneSession]:
    """Yield a session over *database*."""
    async with deployed(folder, database) as deployment, aiohttp.ClientSession() as http:
        (token,) = await deployment.seed(1)
        yield OneSession(deployment, http, token)


@pytest.fixture
def sqlite(tmp_path: Path) -> Sqlite:
    """A file that is not there yet."""
    return Sqlite(tmp_path / "auth.db")


@pytest.fixture
def postgresql() -> Iterator[Postgres]:
    """A server with an empty database."""
    with postgres() as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the two."""
    found: Database = request.getfixturevalue(request.param)
    return found


async def test_postgresql_going_away_and_coming_back(tmp_path: Path, postgresql: Postgres) -> None:
    """While PostgreSQL is down, refresh and readiness are 503 and liveness is 200; then all is well by itself."""
    async with one_session(tmp_path, postgresql) as session:
        before = await session.health("ready")
        await postgresql.kill()
        refused = await session.refresh()
        readiness, liveness = await session.readiness(503), await session.health("live")
        await postgresql.start()
        answer = await session.recovered()
        after = await session.readiness(200)

    assert UNAVAILABLE == refused
    assert (200, 503, 200, 200) == (before, readiness, liveness, after)
    assert 200 == answer.status


async def test_a_read_only_postgresql(tmp_path: Path, postgresql: Postgres) -> None:
    """While PostgreSQL takes no writes, refresh is 503 and rotates nothing; then the same token is good."""
    async with one_session(tmp_path, postgresql) as session:
        postgresql.cluster.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        await eventually(lambda: postgresql.query("SHOW default_transaction_read_only") == ["on"])
        refused, readiness = await session.refresh(), await session.readiness(503)
        generation = postgresql.query(_GENERATION)
        postgresql.cluster.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
        answer = await session.recovered()
        after = await session.readiness(200)

    assert UNAVAILABLE == refused
    assert (503, 200) == (readiness, after)
    assert ["0"] == generation
    assert 200 == answer.status


_FULL = """
CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full'; END $$
"""


async def test_a_full_disk_under_postgresql(tmp_path: Path, postgresql: Postgres) -> None:
    """While PostgreSQL has no room for a row (53100), refresh is 503 and rotates nothing; then the token is good."""
    async with one_session(tmp_path, postgresql) as session:
        postgresql.query(_FULL)
        postgresql.query("CREATE TRIGGER is_full BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION is_full()")
        refused = [await session.refresh() for _ in range(3)]
        readiness = await session.health("ready")
        generation = postgresql.query(_GENERATION)
        postgresql.query("DROP TRIGGER is_full ON sessions")
        answer = await session.refresh()

    assert [UNAVAILABLE] * 3 == refused
    assert 200 == readiness  # others can still be told who they are
    assert ["0"] == generation
    assert 200 == answer.status


async def test_a_postgresql_table_that_another_process_has_locked(tmp_path: Path, postgresql: Postgres) -> None:
    """A refresh that the database does not get to is 503 after some seconds, and does not happen later on."""
    async with one_session(tmp_path, postgresql) as session:
        other = await asyncpg.connect(postgresql.url)
        async with other.transaction():
            await other.execute("LOCK TABLE sessions IN EXCLUSIVE MODE")
            async with asyncio.timeout(HANGS_S):
                refused = await session.refresh()
        generation = postgresql.query(_GENERATION)
        await other.close()
        answer = await session.recovered()

    assert UNAVAILABLE == refused
    assert ["0"] == generation
    assert 200 == answer.status


async def test_a_sqlite_file_that_another_process_has_locked(tmp_path: Path, sqlite: Sqlite) -> None:
    """A refresh that cannot write is 503 after some seconds and rotates nothing; then the same token is good."""
    async with one_session(tmp_path, sqlite) as session:
        with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(HANGS_S):
                refused = await session.refresh()
            readiness = await session.health("ready")
            other.execute("ROLLBACK")
        generation = sqlite.query(_GENERATION)
        answer = await session.refresh()

    assert UNAVAILABLE == refused
    assert 200 == readiness  # others can still be told who they are
    assert ["0"] == generation
    assert 200 == answer.status


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits the files of a running process")
async def test_a_full_disk_under_sqlite(tmp_path: Path, sqlite: Sqlite) -> None:
    """While not a byte can be written, refresh is 503 and rotates nothing; then the same token is good."""
    async with one_session(tmp_path, sqlite) as session:
        _, most = resource.prlimit(session.process.pid, resource.RLIMIT_FSIZE)
        used = sqlite.path.with_name("auth.db-wal").stat().st_size
        resource.prlimit(session.process.pid, resource.RLIMIT_FSIZE, (used, most))
        refused = [await session.refresh() for _ in range(3)]
        readiness = await session.readiness(503)
        resource.prlimit(session.process.pid, resource.RLIMIT_FSIZE, (most, most))
        generation = sqlite.query(_GENERATION)
        answer = await session.refresh()
        after = await session.readiness(200)

    assert [UNAVAILABLE] * 3 == refused
    assert (503, 200) == (readiness, after)
    assert ["0"] == generation
    assert 200 == answer.status


async def test_a_read_only_sqlite_file(tmp_path: Path, sqlite: Sqlite) -> None:
    """A file that the service may not write keeps it from starting, with one line that names it."""
    make_keys(tmp_path)
    settings = auth_settings(tmp_path, sqlite.url)
    await succeed("auth_service", "migrate", settings=settings)
    sqlite.path.chmod(0o400)
    status, _, err = await run("auth_service", "serve", settings=settings, obeys_file_modes=True)

    assert (2, 1) == (status, len(err.splitlines())), err
    assert f"cannot open {sqlite.path}: Permission denied" in err


@pytest.mark.parametrize("command", ["serve", "migrate"])
async def test_a_schema_newer_than_the_code(tmp_path: Path, database: Database, command: str) -> None:
    """Code that is older than the schema does not touch it: exit status 2, one line."""
    make_keys(tmp_path)
    settings = auth_settings(tmp_path, database.url)
    await succeed("auth_service", "migrate", settings=settings)
    _write(database, "UPDATE alembic_version SET version_num = '9999'")
    status, _, err = await run("auth_service", command, settings=settings)

    assert (2, 1) == (status, len(err.splitlines())), err
    assert "newer than this code" in err


def _write(database: Database, statement: str) -> None:
    if isinstance(database, Postgres):
        database.query(statement)
    else:
        with closing(sqlite3.connect(database.path)) as connection:
            connection.execute(statement)
            connection.commit()


async def test_a_postgresql_schema_that_is_behind(tmp_path: Path, postgresql: Postgres) -> None:
    """The service does not migrate PostgreSQL by itself: exit status 2, one line that says what to run."""
    make_keys(tmp_path)
    status, _, err = await run("auth_service", "serve", settings=auth_settings(tmp_path, postgresql.url))

    assert (2, 1) == (status, len(err.splitlines())), err
    assert "run `python -m auth_service migrate`" in err


# Forked after the imports, they really start at once. The end of a process does not look through what is frozen.
_TEN_TIMES_MIGRATE = """
import gc, os, sys
import alembic.command
from auth_service.cli import main
from auth_service.store import postgresql
gc.freeze()
for _ in range(10):
    if os.fork() == 0:
        sys.argv = ["auth_service", "migrate"]
        sys.exit(main())
sys.exit(max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(10)))
"""


def test_ten_processes_migrate_at_once(tmp_path: Path, database: Database) -> None:
    """However many replicas start together, the schema is made once and each of them finds it."""
    make_keys(tmp_path)
    env = environment(auth_settings(tmp_path, database.url))
    command = [sys.executable, "-c", _TEN_TIMES_MIGRATE]
    done = subprocess.run(
        command, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=HANGS_S
    )

    assert 0 == done.returncode, done.stderr
    assert 1 == done.stdout.count("schema empty -> ")
    assert 9 == done.stdout.count("already there")
    assert 1 == len(database.query("SELECT version_num FROM alembic_version"))
