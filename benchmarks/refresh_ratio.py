"""What a durable rotation costs: ``POST /refresh`` on SQLite, one worker ÷ a bare aiohttp JSON echo.

    python -m benchmarks.refresh_ratio [--rounds 100] [--seconds 0.25] [--connections 64]
    python -m benchmarks.refresh_ratio --sessions 10000 10000000

Refreshes are chained: each presents the token of the last answer, with a fresh Idempotency-Key. The servers are asked
in turn, the first of each round changing; the load comes from one core. The echo runs twice: bare, on asyncio's
event loop, as aiohttp starts by itself; and on uvloop, as the services do, which is harder and is told beside. With
``--sessions A B`` the table is filled to those sizes and the two rates are compared instead. Goals: at least 0.6 of the
bare echo; with 10 million sessions at least 0.9 of the rate with 10 thousand.
"""

import argparse
import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import uvloop
from prometheus_client.parser import text_string_to_metric_families

from auth_service import keys
from auth_service.models import Session, User, new_session_id
from auth_service.refresh_tokens import RefreshKey, RefreshTokens
from auth_service.store.sql import open_store
from benchmarks.http_load import Answer, NextRequest
from benchmarks.in_turn import Server, in_turn, paired
from benchmarks.servers import cores, server

ECHO_GOAL, SIZE_GOAL = 0.6, 0.9
DAY_MS = 86_400_000


def post(path: str, body: bytes, *headers: str) -> bytes:
    """Return a request."""
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def echoed(_number: int) -> NextRequest:
    """Post a body of the size of a refresh."""
    request = post("/echo", json.dumps({"refresh_token": "x" * 61}).encode())

    def next_request(last: Answer | None) -> bytes:
        # The load generator reads the answer's JSON here too, so that both sides do the same work.
        assert last is None or json.loads(last.body)
        return request

    return next_request


async def open_sessions(database: Path, tokens: RefreshTokens, number: int) -> list[str]:
    """Open that many sessions of one user; return their refresh tokens."""
    now = time.time_ns() // 1_000_000
    user = User("u", "zs", "zs@example.com", "read write")
    async with open_store(f"sqlite:///{database}") as store:
        await store.add_user(user, "no hash", now=now)
        opened = [Session(new_session_id(), user, 0, now, None, now, now + 30 * DAY_MS) for _ in range(number)]
        for session in opened:
            assert await store.create_session(session, verified_hash="no hash") == []
    return [tokens.encode(session.id, 0) for session in opened]


def fill(database: Path, number: int) -> None:
    """Bring the table to *number* sessions, as if they had been opened over the last 30 days."""
    now = time.time_ns() // 1_000_000
    statement = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :number)
        INSERT INTO sessions (id, user_id, generation, skipped, batch, rotated_at, idempotency_digest, created_at,
                              expires_at, user_agent, ip)
        SELECT substr(hex(randomblob(11)), 1, 22) AS id, 'u', abs(random() % 1000), 0, 0, :now - abs(random() % :week),
               lower(hex(randomblob(32))), :now - i * 10, :now + abs(random() % :month), 'benchmark', '127.0.0.1'
        FROM n ORDER BY id"""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
        have = connection.execute("SELECT count(*) FROM sessions").fetchone()[0]
        if number > have:
            values = {"number": number - have, "now": now, "week": 7 * DAY_MS, "month": 30 * DAY_MS}
            # Nobody else has the file yet; a table that is cut short is filled anew.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000"):
                connection.execute(f"PRAGMA {pragma}")
            indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
            for name, _ in (made := indexes.fetchall()):
                connection.execute(f"DROP INDEX {name}")
            connection.execute(statement, values)
            for _, sql in made:  # sorted at once, not entry by entry
                connection.execute(sql)
        connection.execute("ANALYZE")


@contextlib.contextmanager
def auth_service(
    folder: Path, connections: int, sessions: int, *, core: int | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Start an auth service on SQLite with *sessions* sessions; give its port and the tokens of *connections* more."""
    folder.mkdir()
    files = {"AUTH_ACCESS_KEYS": folder / "access.jwks.json", "AUTH_REFRESH_KEYS": folder / "refresh.jwks.json"}
    for path in files.values():
        keys.create(path)
    refresh_keys = keys.read_key_file(files["AUTH_REFRESH_KEYS"])
    tokens = RefreshTokens([RefreshKey(key["kid"], keys.secret_of(key)) for key in refresh_keys])
    database = folder / "auth.db"
    first = asyncio.run(open_sessions(database, tokens, connections))
    fill(database, sessions)
    settings = {name: str(path) for name, path in files.items()}
    command = ("-m", "auth_service", "serve")
    with server(*command, core=core, AUTH_PORT="0", AUTH_DATABASE_URL=f"sqlite:///{database}", **settings) as port:
        yield port, first


def show(rates: Mapping[str, Sequence[float]]) -> None:
    """Print medians with their spread."""
    for name, values in rates.items():
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:>16} median {middle:8.0f}/s  min {low:8.0f}  max {high:8.0f}")


def ratio(rates: Mapping[str, Sequence[float]], numerator: str, denominator: str, goal: float) -> float:
    """Print and return the ratio of two rates."""
    found = paired(rates[numerator], rates[denominator])
    print(f"{numerator} ÷ {denominator}: {found}; goal {goal}")
    return found.median


def show_batches(name: str, port: int) -> None:
    """Print how many rotations shared a transaction, over all rounds, as the service counted them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        families = text_string_to_metric_families(answer.read().decode())
    batches = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
    rotations, transactions = (batches[f"auth_rotation_batch_size_{part}"] for part in ("sum", "count"))
    print(f"{name}: {rotations / transactions:.1f} rotations per transaction")


class Chains:
    """Makes each connection go on with its own chain, over all rounds."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens

    def __call__(self, number: int) -> NextRequest:
        """Return what makes the requests of connection *number*."""

        def next_request(last: Answer | None) -> bytes:
            if last is not None:
                assert last.status == 200, last
                self._tokens[number] = json.loads(last.body)["refresh_token"]
            token = self._tokens[number]
            # As good as random, and the same again for a request whose answer the last round did not wait for.
            key = f"Idempotency-Key: {token[-24:]}"
            return post("/refresh", json.dumps({"refresh_token": token}).encode(), key)

        return next_request


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--sessions", type=int, nargs=2, metavar=("A", "B"))
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[str, Server] = {}
        sizes = options.sessions or [0]
        for size in sizes:
            name = f"{size:,} sessions" if size else "refresh"
            service = auth_service(folder / str(size), options.connections, size)
            port, tokens = stack.enter_context(service)
            servers[name] = Server(port, Chains(tokens))
        if not options.sessions:
            for loop in ("asyncio", "uvloop"):
                port = stack.enter_context(server("-m", "benchmarks.json_echo", loop, core=None))
                servers[f"echo on {loop}"] = Server(port, echoed)
        turns = in_turn(servers, rounds=options.rounds, seconds=options.seconds, connections=options.connections)
        rates = {name: [load.per_second for load in loads] for name, loads in uvloop.run(turns).items()}
        show(rates)
        for name in list(servers)[: len(sizes)]:
            show_batches(name, servers[name].port)
    first, second, *others = servers
    if options.sessions:
        sys.exit(ratio(rates, second, first, SIZE_GOAL) < SIZE_GOAL)
    for other in others:
        ratio(rates, first, other, ECHO_GOAL)
    sys.exit(ratio(rates, first, second, ECHO_GOAL) < ECHO_GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
