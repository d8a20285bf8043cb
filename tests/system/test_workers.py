"""Several processes on one address, and how the service ends."""

import asyncio
import json
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.connection import connected
from tests.deadline import HANGS_S
from tests.ports import held_ports
from tests.postgresql import children
from tests.system.certificates import issue
from tests.system.deployment import Deployment, Sqlite, deployed, postgres
from tests.system.eventually import eventually
from tests.system.honest import Answer, present
from tests.system.locked import locked
from tests.system.patience import PATIENT
from tests.system.processes import Service
from tests.system.storm import Plan, weather

_SEED = int(os.environ.get("CHAOS_SEED", "1"))
_WORKERS = 3
_MOMENT_S = 0.2  # so that a kill may come at any point of a rotation


def _both_serve(process: Service) -> bool:
    ready = {event["pid"] for event in process.events("worker.ready")}
    workers = children(process.pid)
    return len(workers) == 2 and ready.issuperset(workers)


def _all_work(master: int, without: int | None = None) -> bool:
    workers = children(master)
    return len(workers) == _WORKERS and without not in workers and all(map(_has_opened_the_database, workers))


def _has_opened_the_database(pid: int) -> bool:
    """Whether a worker has come so far; where there is no /proc, it is taken for granted."""
    opened = Path(f"/proc/{pid}/fd")
    with suppress(OSError):  # closed, or ended, while we look
        return not opened.exists() or any("auth.db" in str(link.readlink()) for link in opened.iterdir())
    return False


async def _workers_die(deployment: Deployment, plan: Plan, rng: random.Random, counts: Counter[str]) -> None:
    """SIGKILL one worker after the other; each is replaced, and clients go on before the next dies."""
    master = deployment.processes[0].pid
    for _ in range(plan.strikes):
        goal = counts["rotations"] + plan.sessions // 2
        await eventually(lambda goal=goal: counts["rotations"] >= goal)
        await asyncio.sleep(rng.uniform(0.2, plan.calm_s))
        victim = rng.choice(children(master))
        os.kill(victim, signal.SIGKILL)
        counts["kills of workers"] += 1
        await eventually(lambda victim=victim: _all_work(master, without=victim))


async def test_a_worker_that_dies_is_replaced_and_nobody_is_lost(tmp_path: Path) -> None:
    """Workers share one address; killed one after the other, they come back, and each answered rotation lasts."""
    database = Sqlite(tmp_path / "auth.db")
    async with deployed(tmp_path, database, 1, AUTH_WORKERS=str(_WORKERS)) as deployment:
        await eventually(lambda: _all_work(deployment.processes[0].pid))
        report = await weather(deployment, Plan(_SEED, seconds=0, strikes=5, sessions=60), _workers_die)

    assert [] == report.violations, str(report)
    assert 5 == report.counts["kills of workers"]
    assert report.counts["rotations"] > 120, str(report)


async def test_workers_of_two_replicas_die_and_nobody_is_lost_on_postgresql(tmp_path: Path) -> None:
    """Two replicas of two workers each on PostgreSQL: killed at either, workers come back, and each rotation lasts."""
    plan = Plan(_SEED, seconds=0, strikes=6, sessions=60, token_sources=4)
    with postgres() as database:
        async with deployed(tmp_path, database, 2, AUTH_WORKERS="2") as deployment:
            await eventually(lambda: all(len(children(each.pid)) == 2 for each in deployment.processes))
            report = await weather(deployment, plan, _workers_of_all_die)

    assert [] == report.violations, str(report)
    assert 6 == report.counts["kills of workers"]
    assert report.counts["rotations"] > 120, str(report)


async def _workers_of_all_die(deployment: Deployment, plan: Plan, rng: random.Random, counts: Counter[str]) -> None:
    """SIGKILL a worker of one replica after the other, and no sooner the next than clients have gone on."""
    for number in range(plan.strikes):
        process = deployment.processes[number % len(deployment.processes)]
        goal = counts["rotations"] + plan.sessions // 2
        await eventually(lambda goal=goal: counts["rotations"] >= goal)
        await asyncio.sleep(rng.uniform(0, _MOMENT_S))
        victim = rng.choice(children(process.pid))
        os.kill(victim, signal.SIGKILL)
        counts["kills of workers"] += 1
        await eventually(lambda pid=process.pid, victim=victim: _is_replaced(pid, victim))


def _is_replaced(master: int, victim: int) -> bool:
    workers = children(master)
    return len(workers) == 2 and victim not in workers


@pytest.mark.parametrize("key", [None, "the-key"], ids=["keyless", "with a key"])
async def test_one_token_presented_to_all_workers_at_once_has_one_successor(tmp_path: Path, key: str | None) -> None:
    """64 presentations of one token, each on a connection of its own, get one successor, which is good."""
    database = Sqlite(tmp_path / "auth.db")
    async with (
        deployed(tmp_path, database, 1, AUTH_WORKERS=str(_WORKERS)) as deployment,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http,
    ):
        (token,) = await deployment.seed(1)
        url = deployment.processes[0].url
        answers = await asyncio.gather(*(present(http, url, token, key) for _ in range(64)))
        successors = {answer.successor for answer in answers}
        after = await present(http, url, successors.pop(), "the-next-key")
        (generation,) = database.query("SELECT generation FROM sessions")

    assert {200} == {answer.status for answer in answers}
    assert set() == successors
    assert 200 == after.status
    assert "2" == generation


@contextmanager
def _lost_keys(deployment: Deployment) -> Iterator[None]:
    keys = deployment.folder / "access.jwks.json"
    keys.rename(keys.with_suffix(".away"))
    yield
    keys.with_suffix(".away").rename(keys)


@contextmanager
def _locked_database(deployment: Deployment) -> Iterator[None]:
    assert isinstance(deployment.database, Sqlite)
    with closing(sqlite3.connect(deployment.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("COMMIT")


@contextmanager
def _half_a_certificate(deployment: Deployment) -> Iterator[None]:
    certificate = Path(deployment.settings["AUTH_TLS_CERT"])
    whole = certificate.read_bytes()
    certificate.write_bytes(whole[: len(whole) // 2])
    yield
    certificate.write_bytes(whole)


@pytest.mark.parametrize("broken", [_lost_keys, _locked_database, _half_a_certificate])
async def test_a_worker_that_cannot_be_replaced_yet_leaves_the_others_alone(
    tmp_path: Path, broken: Callable[[Deployment], AbstractContextManager[None]]
) -> None:
    """A worker dies while a file or the database is bad: the other serves, and another as soon as it is good."""
    database, tls = Sqlite(tmp_path / "auth.db"), issue(tmp_path)
    settings = {"AUTH_WORKERS": "2", "AUTH_TLS_CERT": str(tls.certificate), "AUTH_TLS_KEY": str(tls.key)}
    async with deployed(tmp_path, database, 1, **settings) as deployment, _new_connections() as http:
        process = deployment.processes[0]
        await eventually(lambda: _both_serve(process))
        victim, healthy = children(process.pid)
        with broken(deployment):
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda: len(process.events("worker.waiting")) >= 2)
            assert 200 == await _status(http, process.url / "health/ready")
        await eventually(lambda: _both_serve(process))
        os.kill(healthy, signal.SIGSTOP)
        alone = await _status(http, process.url / "health/ready")
        os.kill(healthy, signal.SIGCONT)
        still_there = healthy in children(process.pid)
        status = await process.stop()

    assert (200, True, 0) == (alone, still_there, status), process.stderr


async def test_a_worker_that_cannot_begin_ends_with_the_others(tmp_path: Path) -> None:
    """SIGTERM ends a replacement that still waits for its key file, too."""
    database = Sqlite(tmp_path / "auth.db")
    async with deployed(tmp_path, database, 1, AUTH_WORKERS="2") as deployment:
        process = deployment.processes[0]
        await eventually(lambda: _both_serve(process))
        with _lost_keys(deployment):
            os.kill(children(process.pid)[0], signal.SIGKILL)
            await eventually(lambda: bool(process.events("worker.waiting")))
            status = await process.stop()

    assert 0 == status, process.stderr


def _new_connections() -> aiohttp.ClientSession:
    """Return a session that opens a connection for each request, so that any worker may take it."""
    # Who shows the certificate is not the point here.
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, ssl=False))


async def _status(http: aiohttp.ClientSession, url: URL) -> int:
    async with asyncio.timeout(HANGS_S), http.get(url) as response:
        return response.status


async def test_what_is_said_of_workers_is_json(tmp_path: Path) -> None:
    """The line about a worker that was killed is one of the log's like any other."""
    database = Sqlite(tmp_path / "auth.db")
    async with deployed(tmp_path, database, 1, AUTH_WORKERS=str(_WORKERS)) as deployment:
        process = deployment.processes[0]
        await eventually(lambda: _all_work(process.pid))
        victim = children(process.pid)[0]
        os.kill(victim, signal.SIGKILL)
        await eventually(lambda: _all_work(process.pid, without=victim))
        await process.stop()
    lines = [json.loads(line) for line in process.stderr.splitlines()]

    assert ["error"] == [line["level"] for line in lines if f"(pid:{victim})" in line["event"]]


async def test_sigterm_ends_every_worker(tmp_path: Path) -> None:
    """SIGTERM to the first process ends all of them, and its exit status is 0."""
    database = Sqlite(tmp_path / "auth.db")
    async with deployed(tmp_path, database, 1, AUTH_WORKERS=str(_WORKERS)) as deployment:
        process = deployment.processes[0]
        await eventually(lambda: _all_work(process.pid))
        status = await process.stop()
        # Whoever still served would take connections on the socket that all share.
        await _refuses_connections(process.port)

    assert 0 == status, process.stderr


async def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """When the first process is killed, its workers give the address up, so that a supervisor can start anew."""
    database = Sqlite(tmp_path / "auth.db")
    with held_ports(1) as (port,):
        settings = {"AUTH_WORKERS": str(_WORKERS), "AUTH_PORT": str(port)}
        async with deployed(tmp_path, database, 1, **settings) as deployment:
            process = deployment.processes[0]
            await eventually(lambda: _all_work(process.pid))
            process.signal(signal.SIGKILL)
            await _refuses_connections(port)
            await process.start()

    assert port == process.port


async def test_sigterm_finishes_what_is_in_flight(tmp_path: Path) -> None:
    """A refresh that waits for the database when SIGTERM comes is committed and answered; then the exit status is 0."""
    database = Sqlite(tmp_path / "auth.db")
    patient = {"AUTH_SHUTDOWN_S": "600", **PATIENT}
    async with deployed(tmp_path, database, **patient) as deployment, aiohttp.ClientSession() as http:
        (token,) = await deployment.seed(1)
        process = deployment.processes[0]
        with locked(database.path):
            refresh = asyncio.create_task(present(http, process.url, token, "the-key"))
            await _has_read_what_came_before(http, process.url)
            ended = asyncio.create_task(process.stop())
            await _refuses_connections(process.port)
        answer, status = await refresh, await ended
        (generation,) = database.query("SELECT generation FROM sessions")

    assert Answer(200, successor=answer.successor) == answer
    assert 0 == status
    assert "1" == generation


async def _has_read_what_came_before(http: aiohttp.ClientSession, url: URL) -> None:
    """Return when the process has taken up the requests that were sent before: it takes them in order."""
    for _ in range(2):
        async with http.get(url / "health/live") as response:
            assert 200 == response.status


async def _refuses_connections(port: int) -> None:
    async with asyncio.timeout(HANGS_S):
        while True:
            try:
                async with connected("127.0.0.1", port):
                    pass
            except OSError:
                return
            await asyncio.sleep(0.02)
