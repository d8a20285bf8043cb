"""Rows of PostgreSQL that somebody else holds, under services that run: who is late, and who notices nothing."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
from yarl import URL

from tests.deadline import HANGS_S
from tests.system.deployment import Postgres, deployed, postgres
from tests.system.eventually import eventually
from tests.system.honest import UNAVAILABLE, Answer, present
from tests.system.patience import PATIENT
from tests.system.processes import Service

# An UPDATE that has its rows does not end until the gate is open.
_GATE = [
    "CREATE TABLE gate (id int)",
    "INSERT INTO gate VALUES (1)",
    """CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN WHILE EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; RETURN NULL; END $$""",
    "CREATE TRIGGER waits AFTER UPDATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION wait()",
]
_AT_THE_GATE = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'auth' AND state = 'idle'"


def session_id(token: str) -> str:
    """Return the id that stands in a refresh token: behind a key's, of 6 bytes."""
    return base64.urlsafe_b64encode(base64.urlsafe_b64decode(token.removeprefix("dtr1_"))[6:22]).decode().rstrip("=")


@asynccontextmanager
async def held(database: Postgres, token: str) -> AsyncIterator[None]:
    """Hold the row of a token's session, as an open transaction in psql does."""
    psql = await asyncpg.connect(database.url)
    try:
        async with psql.transaction():
            await psql.execute("UPDATE sessions SET ip = ip WHERE id = $1", session_id(token))
            yield
    finally:
        await psql.close()


def presented(http: aiohttp.ClientSession, url: URL, tokens: Iterable[str]) -> dict[str, asyncio.Task[Answer]]:
    """Present tokens, each with a key of its own."""
    return {token: asyncio.create_task(present(http, url, token, f"key-{token[-9:]}")) for token in tokens}


async def test_a_held_row_is_late_alone(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """The others of its batch are answered meanwhile, and that one when it is free."""
    with postgres() as database:
        async with deployed(tmp_path, database, **PATIENT) as deployment, asyncio.timeout(HANGS_S):
            [url] = [process.url for process in deployment.processes]
            locked, *others = await deployment.seed(60)
            async with held(database, locked):
                answers = presented(http, url, (locked, *others))
                statuses = {(await answers[token]).status for token in others}
                is_late = not answers[locked].done()
            granted = await answers[locked]

    assert ({200}, True) == (statuses, is_late)
    assert 200 == granted.status


async def test_a_row_that_is_held_too_long_is_given_up(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """Its token is refused at last, spends nothing, and works later."""
    with postgres() as database:
        async with deployed(tmp_path, database) as deployment, asyncio.timeout(HANGS_S):
            [url] = [process.url for process in deployment.processes]
            locked, *others = await deployment.seed(60)
            async with held(database, locked):
                answers = presented(http, url, (locked, *others))
                refused = await answers[locked]
                await asyncio.wait(answers.values())
                [connections] = database.query(_CONNECTIONS)
            [then] = presented(http, url, [locked]).values()
            granted = await then

    assert refused == UNAVAILABLE
    assert int(connections) > 0  # the pool has not been given up
    assert 200 == granted.status


async def test_a_revocation_that_is_under_way_is_late_alone(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A large UPDATE by somebody else holds its rows until it is committed; then they are what it made of them."""
    with postgres() as database:
        async with deployed(tmp_path, database, **PATIENT) as deployment, asyncio.timeout(HANGS_S):
            [url] = [process.url for process in deployment.processes]
            theirs, ours = (tokens := await deployment.seed(60))[:30], tokens[30:]
            psql = await asyncpg.connect(database.url)
            async with psql.transaction():
                ids = [session_id(token) for token in theirs]
                await psql.execute("UPDATE sessions SET revoked_at = 1, revoked_reason = 'x' WHERE id = ANY($1)", ids)
                answers = presented(http, url, tokens)
                statuses = {(await answers[token]).status for token in ours}
                are_late = not any(answers[token].done() for token in theirs)
            await psql.close()
            reasons = {(await answers[token]).reason for token in theirs}

    assert ({200}, True) == (statuses, are_late)
    assert {"revoked"} == reasons


@asynccontextmanager
async def stopped_in_a_transaction(
    database: Postgres, stopped: Service, http: aiohttp.ClientSession, token: str
) -> AsyncIterator[asyncio.Task[Answer]]:
    """Stop a service between the UPDATE of a rotation and its COMMIT, until the end; yield what will be its answer."""
    database.cluster.execute(*_GATE, database="auth")
    [first] = presented(http, stopped.url, [token]).values()
    await eventually(lambda: database.query(_AT_THE_GATE) == ["1"])
    with stopped.paused():
        database.cluster.execute("DELETE FROM gate", database="auth")
        yield first


async def test_a_replica_that_is_stopped_in_a_transaction_is_passed_over(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """The rows that it holds are late alone: no other session waits."""
    with postgres() as database:
        async with deployed(tmp_path, database, 2, **PATIENT) as deployment, asyncio.timeout(HANGS_S):
            stopped, other = deployment.processes
            caught, *others = await deployment.seed(60)
            async with stopped_in_a_transaction(database, stopped, http, caught) as first:
                answers = presented(http, other.url, (caught, *others))
                statuses = {(await answers[token]).status for token in others}
                is_late = not answers[caught].done()
            both = [await first, await answers[caught]]

    assert ({200}, True) == (statuses, is_late)
    assert [200, 200] == [each.status for each in both]
    assert both[0] == both[1]


async def test_a_replica_that_stays_stopped_holds_its_rows_for_seconds(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    """While it stands still, another one has its rows at last; nothing that it began is lost or done twice."""
    with postgres() as database:
        async with deployed(tmp_path, database, 2) as deployment, asyncio.timeout(HANGS_S):
            stopped, other = deployment.processes
            [caught] = await deployment.seed(1)
            async with stopped_in_a_transaction(database, stopped, http, caught) as first:
                while (granted := await present(http, other.url, caught, f"key-{caught[-9:]}")) == UNAVAILABLE:
                    pass  # as long as PostgreSQL takes to end the transaction that stands still
            again = await first

    assert 200 == granted.status
    assert again in (UNAVAILABLE, granted)
