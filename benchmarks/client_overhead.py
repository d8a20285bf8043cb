"""What BearerAuth costs: requests a second through it ÷ through a bare ClientSession.

Both sessions have the same settings and send the same header; the server is another process. Rounds alternate, so that
a busy machine disturbs both alike. Prints the median ratio of neighbouring rounds.

    python benchmarks/client_overhead.py [--rounds 61] [--requests 960] [--connections 32] [--uvloop]
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ratios import paired
from benchmarks.verdicts import Goal, verdict_on
from dualtoken.client import BearerAuth, MemoryStorage, StoredSession, Tokens, TokenSource

GOAL = 0.95
ACCESS_TOKEN = "x" * 600  # about as long as an access token of the auth service
HEADERS = {"Authorization": f"Bearer {ACCESS_TOKEN}"}


async def serve() -> None:
    """Answer every GET with a small JSON object, until standard input ends."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": "success"})

    app = web.Application()
    app.router.add_get("/home", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Run :func:`serve` in another process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--serve"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await process.communicate(b"")


async def rate(http: aiohttp.ClientSession, url: str, requests: int, callers: int) -> float:
    """Return requests a second."""

    async def call() -> None:
        for _ in range(requests // callers):
            async with http.get(url) as response:
                assert response.status == 200
                await response.read()

    begun = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(callers)))
    return requests / (time.perf_counter() - begun)


async def main(rounds: int, requests: int, connections: int) -> None:
    """Measure and print."""
    async with server() as url:
        storage = MemoryStorage()
        await storage.save("http://127.0.0.1/", StoredSession(Tokens(ACCESS_TOKEN, "r", time.time(), 36000.0)))
        source = TokenSource("http://127.0.0.1", storage=storage)
        auth = BearerAuth(source, origins=[url])
        # Headers of the session: those of a request would cost the bare one more than it needs.
        bare_session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), headers=HEADERS)
        auth_session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), middlewares=[auth])
        async with source, bare_session as bare, auth_session as signed:
            home = f"{url}/home"
            await rate(bare, home, requests, connections)
            await rate(signed, home, requests, connections)
            plain_rates, signed_rates = [], []
            for number in range(rounds):
                # Who goes first changes, so that a drift of the machine favours neither.
                for turn in (number, number + 1):
                    if turn % 2:
                        signed_rates.append(await rate(signed, home, requests, connections))
                    else:
                        plain_rates.append(await rate(bare, home, requests, connections))
    report(plain_rates, signed_rates)


def report(plain_rates: Sequence[float], signed_rates: Sequence[float]) -> None:
    """Print medians, and the ratio of neighbouring rounds."""
    found = paired(signed_rates, plain_rates)
    print(f"bare ClientSession  {statistics.median(plain_rates):8.0f} requests/s (median of {len(plain_rates)} rounds)")
    print(f"through BearerAuth  {statistics.median(signed_rates):8.0f} requests/s")
    print(f"BearerAuth ÷ bare: {found}; goal {GOAL} {verdict_on(Goal('', GOAL), found)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=61)
    parser.add_argument("--requests", type=int, default=960, help="a round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    run = asyncio.run
    if chosen.uvloop:
        import uvloop

        run = uvloop.run
    run(serve() if chosen.serve else main(chosen.rounds, chosen.requests, chosen.connections))
