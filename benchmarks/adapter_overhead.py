"""What the adapters cost: requests through BearerAuth of httpx, httpx2 and requests ÷ through the bare library.

    python -m benchmarks.adapter_overhead [--rounds 61] [--requests 320] [--callers 16]

As ``client_overhead.py`` does for aiohttp: both sides have the same settings and send the same header; the server is
another process; rounds alternate. httpx has that many callers at once; requests has one thread, which waits for each
answer. Rates are requests per second of the client's own processor time, in which no server and no waiting counts.
Prints the median ratio of neighbouring rounds. Goal: 0.95.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx
import httpx2
import requests

from benchmarks.client_overhead import ACCESS_TOKEN, GOAL, HEADERS, server
from benchmarks.ratios import paired
from dualtoken.client import MemoryStorage, StoredSession, Tokens, TokenSource
from dualtoken.client.httpx import BearerAuth as HttpxAuth
from dualtoken.client.requests import BearerAuth as RequestsAuth
from dualtoken.client.sync import TokenSource as ThreadSource

AUTH_URL = "http://127.0.0.1"
Work = Callable[[], Awaitable[None]]
Rates = dict[str, tuple[list[float], list[float]]]


async def stored() -> MemoryStorage:
    """Return a storage with a session that outlasts the run."""
    storage = MemoryStorage()
    await storage.save(f"{AUTH_URL}/", StoredSession(Tokens(ACCESS_TOKEN, "r", time.time(), 36000.0)))
    return storage


async def rate(work: Work, number: int) -> float:
    """Return requests per second of processor time."""
    begun = time.process_time()
    await work()
    return number / (time.process_time() - begun)


def asking(http: Any, url: str, number: int, callers: int) -> Work:
    """Return what sends requests by an AsyncClient."""

    async def call() -> None:
        for _ in range(number // callers):
            assert (await http.get(url)).status_code == 200

    async def work() -> None:
        await asyncio.gather(*(call() for _ in range(callers)))

    return work


def asking_on_a_thread(http: requests.Session, url: str, number: int) -> Work:
    """Return what sends requests by a session of requests."""

    def call() -> None:
        for _ in range(number):
            assert http.get(url, timeout=60).status_code == 200

    return lambda: asyncio.to_thread(call)


async def of_httpx(library: Any, url: str, options: argparse.Namespace, rates: Rates) -> None:
    """Measure an AsyncClient."""
    async with (
        TokenSource(AUTH_URL, storage=await stored()) as source,
        library.AsyncClient(headers=HEADERS) as bare,
        library.AsyncClient(auth=HttpxAuth(source, origins=[url])) as signed,
    ):
        works = [asking(http, f"{url}/home", options.requests, options.callers) for http in (bare, signed)]
        rates[library.__name__] = await alternating(works, options)


async def of_requests(url: str, options: argparse.Namespace, rates: Rates) -> None:
    """Measure a session of requests."""
    with (
        ThreadSource(AUTH_URL, storage=await stored()) as source,
        requests.Session() as bare,
        requests.Session() as signed,
    ):
        bare.headers.update(HEADERS)
        signed.auth = RequestsAuth(source, origins=[url])
        # Without auth= it would look for a password file before each request, which is not what is measured.
        bare.auth = lambda request: request
        await asyncio.to_thread(source.token)
        works = [asking_on_a_thread(http, f"{url}/home", options.requests) for http in (bare, signed)]
        rates["requests"] = await alternating(works, options)


async def alternating(works: Sequence[Work], options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Return the rates of both, round by round; who goes first changes."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(-2, options.rounds):  # the first rounds warm up
        for turn in (number, number + 1):
            told = await rate(works[turn % 2], options.requests)
            if number >= 0:
                found[turn % 2].append(told)
    return found


def report(rates: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> bool:
    """Print medians and ratios; tell whether each reaches the goal."""
    held = True
    for name, (bare, signed) in rates.items():
        found = paired(signed, bare)
        held = held and found.median >= GOAL
        print(f"{name}: bare {statistics.median(bare):.0f}/s, through BearerAuth {statistics.median(signed):.0f}/s")
        print(f"{name} with BearerAuth ÷ bare: {found}; goal {GOAL} {'reached' if found.median >= GOAL else 'MISSED'}")
    return held


async def main(options: argparse.Namespace) -> bool:
    """Measure and report."""
    rates: Rates = {}
    async with server() as url:
        await of_httpx(httpx, url, options, rates)
        await of_httpx(httpx2, url, options, rates)
        await of_requests(url, options, rates)
    return report(rates)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=61)
    parser.add_argument("--requests", type=int, default=320, help="a round")
    parser.add_argument("--callers", type=int, default=16)
    sys.exit(not asyncio.run(main(parser.parse_args())))
