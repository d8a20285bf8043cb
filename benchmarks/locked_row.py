"""What a locked row does to the others of its batch: p99 of ``POST /refresh`` while somebody holds one row ÷ while not.

    python -m benchmarks.locked_row [--rounds 10] [--seconds 2] [--connections 32]

On PostgreSQL. In every other turn a transaction of somebody else, such as a psql session left open, holds the row of
one session, whose caller asks all the while: it takes part in batch after batch until its time is up. Goals: a ratio of
at most 3, and nobody but that caller is refused anything.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import asyncpg
import uvloop

from benchmarks.auth_services import auth_service
from benchmarks.http_load import Connections
from benchmarks.postgresql_ratio import migrated
from benchmarks.ratios import paired
from benchmarks.refresh_ratio import Chains
from benchmarks.servers import cores
from dualtoken.auth_service.domain.models import encode_session_id
from dualtoken.auth_service.store import TRANSACTION_S
from dualtoken.auth_service.tokens.refresh import PREFIX
from tests.postgresql import clusters

GOAL = 3.0
WARM_UP_S = 1.0
_AFTER_SESSION = 20  # bytes of a refresh token: generation and MAC
_LOCK = "SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE"


@asynccontextmanager
async def held(url: str, session_id: str) -> AsyncIterator[None]:
    """Hold the row of a session until the block ends."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            assert await connection.fetchval(_LOCK, session_id) == 1
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def asking(port: int, token: str, answers: Counter[int]) -> AsyncIterator[None]:
    """Present *token* again and again until the block ends; count the answers by status."""

    async def ask() -> None:
        headers = {"Idempotency-Key": "the-locked-one"}
        async with aiohttp.ClientSession(headers=headers) as http:
            while True:
                async with http.post(f"http://127.0.0.1:{port}/refresh", json={"refresh_token": token}) as response:
                    answers[response.status] += 1
                    await response.read()

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def measure(
    port: int, url: str, tokens: list[str], options: argparse.Namespace
) -> tuple[list[float], list[float], Counter[int]]:
    """Return p99 of each turn, in seconds, while the row is free and while it is held; and what its caller was told."""
    free: list[float] = []
    locked: list[float] = []
    told: Counter[int] = Counter()
    others, unlucky = tokens[: options.connections], tokens[options.connections :]
    async with Connections("127.0.0.1", port, Chains(others), len(others)) as opened:
        await opened.run(duration_s=WARM_UP_S)
        for _ in range(options.rounds):
            free.append(await p99_s(opened, options.seconds))
            async with locked_session(url, port, unlucky.pop(), told):
                locked.append(await p99_s(opened, options.seconds))
            print(f"  p99 {free[-1] * 1e3:.1f} ms, while a row is held {locked[-1] * 1e3:.1f} ms", flush=True)
        async with locked_session(url, port, unlucky.pop(), told):
            await p99_s(opened, TRANSACTION_S + 2)  # so long that its caller is answered, too
    return free, locked, told


@asynccontextmanager
async def locked_session(url: str, port: int, token: str, told: Counter[int]) -> AsyncIterator[None]:
    """Hold the row of a session whose caller asks, until the block ends; each time another one's.

    What was left undecided is decided once the row is free, though its caller has gone: asked again with the same key,
    it would be told, and no lock would be in the way.
    """
    async with held(url, session_of(token)), asking(port, token, told):
        yield


async def p99_s(opened: Connections, seconds: float) -> float:
    """Refresh on all connections; return p99.

    Raises:
        RuntimeError: one was refused.
    """
    run = await opened.run(duration_s=seconds)
    if run.failures or set(run.statuses) != {200}:
        raise RuntimeError(f"somebody else was refused: {dict(run.statuses)}, {run.failures[:1]}")
    return run.percentile_s(99)


def session_of(token: str) -> str:
    """Return the session of a refresh token, as its row has it."""
    body = urlsafe_b64decode(token.removeprefix(PREFIX) + "=" * (-len(token.removeprefix(PREFIX)) % 4))
    return encode_session_id(body[-_AFTER_SESSION - 16 : -_AFTER_SESSION])


def report(free: Sequence[float], locked: Sequence[float], told: Counter[int]) -> float:
    """Print the ratio of neighbouring turns, and what the caller of the held row was told; return the median."""
    found = paired(locked, free)
    print(f"p99 while a row is held ÷ while none is: {found}; goal {GOAL}")
    print(f"others refused while a row was held: 0; its own caller was told {dict(told)}")
    return found.median


def main() -> None:
    """Measure and report; exit 1 above the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    os.environ["AUTH_LOG_LEVEL"] = "error"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        [cluster] = stack.enter_context(clusters())
        url = asyncio.run(migrated(cluster.initialise().start()))
        sessions = options.connections + options.rounds + 1
        port, tokens = stack.enter_context(auth_service(folder / "auth", sessions, url=url))
        free, locked, told = uvloop.run(measure(port, url, tokens, options))
    sys.exit(report(free, locked, told) > GOAL or set(told) != {503})


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
