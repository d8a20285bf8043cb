"""What the time of a refused log-in tells of a name, where users moved in with hashes of several costs.

    python -m benchmarks.login_times [--attempts 300]

One service on SQLite, a third of whose users have argon2id, a third Django's PBKDF2 and a third bcrypt. Wrong passwords
are tried, one after the other: of so many users, and of as many names that nobody has, in an order drawn at random. If
the times of the two differed, a stranger could tell which names exist. Shown are the deciles of both; the distance
between the two distributions, with the most that chance alone makes of it in 99 of 100 runs (Kolmogorov and Smirnov);
and the same distance if unknown names always cost one argon2id, as they do in services that verify one dummy.
Exit status 1: the distance is more than chance.
"""

import argparse
import asyncio
import base64
import hashlib
import math
import os
import random
import statistics
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import bcrypt

from benchmarks.auth_services import settings_of
from benchmarks.servers import cores, server
from dualtoken.auth_service.domain.models import Credentials, User
from dualtoken.auth_service.login_guard.hashing import HASHER
from dualtoken.auth_service.store.sql import open_store

PASSWORD = "correct horse battery staple"  # noqa: S105 - of made-up users
DJANGO_ITERATIONS = 1_000_000  # Django 5.2
USERS = 3000
_CHANCE_99 = 1.63  # of the two-sample test, times the root of (n + m) / nm
Times = Sequence[float]


def hashes() -> dict[str, str]:
    """Return a hash of each kind: its cost matters, not its salt."""
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"saltsaltsaltsalt", DJANGO_ITERATIONS)
    return {
        "argon2id": HASHER.hash(PASSWORD),
        "Django": f"pbkdf2_sha256${DJANGO_ITERATIONS}$saltsaltsaltsalt${base64.b64encode(digest).decode()}",
        "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12)).decode(),
    }


async def add_users(url: str) -> dict[str, str]:
    """Add users of each kind in turn; return the kind of each name."""
    of_kind = list(hashes().items())
    kinds = {f"user{number}": of_kind[number % len(of_kind)] for number in range(USERS)}
    async with open_store(url) as store:
        accounts = [Credentials(User(name, name, "", ""), hash_) for name, (_, hash_) in kinds.items()]
        for start in range(0, USERS, 1000):
            await store.add_accounts(accounts[start : start + 1000], now=0)
    return {name: kind for name, (kind, _) in kinds.items()}


async def refused(port: int, names: Sequence[str]) -> list[float]:
    """Return how long a wrong password of each name takes, in seconds."""
    times = []
    async with aiohttp.ClientSession() as http:
        for name in names:
            began = time.perf_counter()
            body = {"username": name, "password": "a wrong password"}
            async with http.post(f"http://127.0.0.1:{port}/login", json=body) as response:
                await response.read()
                assert response.status == 401, response.status
            times.append(time.perf_counter() - began)
    return times


def distance(some: Times, others: Times) -> tuple[float, float]:
    """Return how far two distributions are apart, and how far chance alone brings two of one kind."""
    one, other = sorted(some), sorted(others)
    apart = max(abs(bisect_right(one, at) / len(one) - bisect_right(other, at) / len(other)) for at in one + other)
    return apart, _CHANCE_99 * math.sqrt((len(one) + len(other)) / (len(one) * len(other)))


def report(known: Times, unknown: Times, by_kind: Mapping[str, Times]) -> bool:
    """Print what was measured; return whether the names are told apart."""
    for kind, times in by_kind.items():
        print(f"users with {kind:>8}: median {statistics.median(times) * 1e3:6.0f} ms of {len(times)}")
    for name, times in (("users", known), ("nobody", unknown)):
        deciles = " ".join(f"{value * 1e3:6.0f}" for value in statistics.quantiles(times, n=10))
        print(f"{name:>8}, deciles in ms: {deciles}")
    apart, chance = distance(known, unknown)
    print(f"distance of users and nobody: {apart:.3f}; chance {chance:.3f}")
    alone, chance_alone = distance(known, by_kind["argon2id"])
    print(f"the same, if nobody cost argon2id alone: {alone:.3f}; chance {chance_alone:.3f}")
    return apart > chance


def main() -> None:
    """Measure and report; exit 1 if names are told apart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attempts", type=int, default=300, help="of users, and as many of nobody")
    options = parser.parse_args()
    chance = random.Random()  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as temporary:
        settings = settings_of(Path(temporary) / "auth") | {"AUTH_LOGIN_FAILURES": "1000000", "AUTH_LOG_LEVEL": "error"}
        kinds = asyncio.run(add_users(settings["AUTH_DATABASE_URL"]))
        known = chance.sample(list(kinds), options.attempts)
        names = [*known, *(f"nobody{number}" for number in range(options.attempts))]
        chance.shuffle(names)
        with server("-m", "auth_service", "serve", core=None, **settings) as port:
            times = dict(zip(names, asyncio.run(refused(port, names)), strict=True))
    by_kind = {kind: [times[name] for name in known if kinds[name] == kind] for kind in hashes()}
    sys.exit(report([times[name] for name in known], [times[name] for name in names if name not in kinds], by_kind))


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
