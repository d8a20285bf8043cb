"""Renewal and log-ins while strangers hammer at the door: p99 of POST /refresh under a flood ÷ without.

    python -m benchmarks.login_flood [--rounds 3] [--seconds 3] [--limited] [--flood guesses right weak networks]

One service, free to use every core, as it is deployed; the load keeps to one. A flood is 64 connections, as fast as
they are answered, of one kind:

guesses     passwords of names that do not exist, from one address
right       one user's right password, from one address
weak        changes of one user's password, with the right one and a new one that is easy to guess but not to judge
networks    passwords of names that do not exist, from fifty addresses

Each costs whole argon2id hashes, and more than fit into the queue are told 503. With --limited the limits are those of
every installation, so that all but the first failures are told 429. Goal: at most 3, either way; and meanwhile four
other users log in, each from an address of its own, coming back as often as 503 tells them to.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.auth_services import auth_service
from benchmarks.http_load import Answer, Load, NextRequest, load
from benchmarks.ratios import paired
from benchmarks.refresh_ratio import Chains, post
from benchmarks.servers import cores
from dualtoken.auth_service.domain.models import User
from dualtoken.auth_service.login_guard.hashing import HASHER
from dualtoken.auth_service.store.sql import open_store

GOAL = 3.0
FLOOD_CONNECTIONS = 64
NETWORKS = 50
OTHERS = 4
PASSWORD = "correct horse battery staple"  # noqa: S105 - of made-up users
# All digits: nothing takes the judge longer.
WEAK = "20242024202420242024202420242024"
Flood = Callable[[int], NextRequest]


def repeat(path: str, body: Callable[[int], object], *headers: str) -> NextRequest:
    """Post what *body* makes of the number of the request."""
    count = 0

    def next_request(_last: Answer | None) -> bytes:
        nonlocal count
        count += 1
        return post(path, json.dumps(body(count)).encode(), *headers)

    return next_request


def guesses(number: int) -> NextRequest:
    """Guess passwords on connection *number*."""
    return repeat("/login", lambda count: {"username": f"{number}-{count}", "password": "a wrong password"})


def networks(number: int) -> NextRequest:
    """Guess from one of fifty addresses."""
    address = f"X-Forwarded-For: 10.0.{number % NETWORKS}.1"
    return repeat("/login", lambda count: {"username": f"{number}-{count}", "password": "a wrong password"}, address)


def right(_number: int) -> NextRequest:
    """Log one user in."""
    return repeat("/login", lambda _count: {"username": "flood", "password": PASSWORD})


def weak(access_tokens: Sequence[str]) -> Flood:
    """Change one user's password, from several sessions."""

    def of_connection(number: int) -> NextRequest:
        bearer = f"Authorization: Bearer {access_tokens[number % len(access_tokens)]}"
        return repeat("/password", lambda _count: {"current_password": PASSWORD, "new_password": WEAK}, bearer)

    return of_connection


async def add_users(database: Path) -> None:
    """Add the user who floods, and others."""
    password_hash = HASHER.hash(PASSWORD)
    async with open_store(f"sqlite:///{database}") as store:
        for name in ("flood", *(f"other-{number}" for number in range(OTHERS))):
            await store.add_user(User(name, name, f"{name}@example.org", "read"), password_hash, now=0)


async def log_in(port: int, name: str, address: str) -> tuple[int, str]:
    """Log in, however often the service says to come back; return how often it did, and the access token."""
    body = {"username": name, "password": PASSWORD}
    async with aiohttp.ClientSession(headers={"X-Forwarded-For": address}) as http:
        for attempts in range(1, 61):
            async with http.post(f"http://127.0.0.1:{port}/login", json=body) as response:
                if response.status == 200:
                    return attempts, (await response.json())["access_token"]
                assert response.status == 503, await response.text()
            await asyncio.sleep(int(response.headers["Retry-After"]))
    raise AssertionError(f"{name} could not log in")


async def measure(
    port: int, tokens: list[str], flood: Flood, options: argparse.Namespace
) -> tuple[list[float], list[float]]:
    """Return the p99 of each round, in seconds: without the flood, and under it."""
    chains = Chains(tokens)

    async def renew() -> Load:
        result = await load("127.0.0.1", port, chains, connections=len(tokens), duration_s=options.seconds)
        assert not result.failures, result.failures[:3]
        return result

    unloaded, flooded = [], []
    await renew()  # warms up
    for round_ in range(options.rounds):
        calm = await renew()
        hammering = load("127.0.0.1", port, flood, connections=FLOOD_CONNECTIONS, duration_s=options.seconds)
        others = (log_in(port, f"other-{number}", f"10.1.{number}.1") for number in range(OTHERS))
        storm, hashed, *let_in = await asyncio.gather(renew(), hammering, *others)
        unloaded.append(calm.percentile_s(99))
        flooded.append(storm.percentile_s(99))
        print(
            f"  {round_ + 1} p99 {unloaded[-1] * 1e3:6.2f} ms at {calm.per_second:6.0f}/s, under the flood"
            f" {flooded[-1] * 1e3:6.2f} ms at {storm.per_second:6.0f}/s; its answers: {dict(hashed.statuses)};"
            f" others logged in at attempt {[attempts for attempts, _ in let_in]}",
            flush=True,
        )
    return unloaded, flooded


def report(unloaded: Sequence[float], flooded: Sequence[float], name: str = "the flood") -> float:
    """Print the ratio of neighbouring rounds; return its median."""
    ratio = paired(flooded, unloaded)
    print(f"p99 under {name} ÷ unloaded: {ratio}; goal {GOAL}")
    return ratio.median


async def measure_all(port: int, tokens: list[str], options: argparse.Namespace) -> float:
    """Measure each kind of flood; report it, and the worst as that of all; return its ratio."""
    sessions = [(await log_in(port, "flood", f"10.2.{number}.1"))[1] for number in range(OTHERS)]
    floods: dict[str, Flood] = {"guesses": guesses, "right": right, "weak": weak(sessions), "networks": networks}
    figures = {}
    for name in options.flood or floods:
        print(name)
        figures[name] = await measure(port, tokens, floods[name], options)
        report(*figures[name], name=name)
    return report(*max(figures.values(), key=lambda pair: statistics.median(pair[1]) / statistics.median(pair[0])))


def main() -> None:
    """Measure and report; exit 1 above the goal, or if somebody could not log in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--limited", action="store_true", help="with the default limit of failed log-ins")
    parser.add_argument("--flood", nargs="*", choices=["guesses", "right", "weak", "networks"])
    options = parser.parse_args()
    limits = {} if options.limited else {"AUTH_LOGIN_FAILURES": "1000000"}
    os.environ |= {"AUTH_LOG_LEVEL": "error", "AUTH_TRUSTED_PROXIES": "127.0.0.0/8", **limits}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, tokens = stack.enter_context(auth_service(folder / "flood", options.connections))
        asyncio.run(add_users(folder / "flood" / "auth.db"))
        worst = uvloop.run(measure_all(port, tokens, options))
    sys.exit(worst > GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
