"""Renewal while strangers hammer at the door: p99 of POST /refresh under a flood of POST /login ÷ without.

    python -m benchmarks.login_flood [--rounds 3] [--seconds 3] [--limited]

One service, free to use every core, as it is deployed; the load keeps to one. The flood is 64 connections that guess
passwords of names that do not exist, as fast as they are answered: each guess costs a whole argon2id hash, and more
than fit into the queue are told 503. With --limited the limits are those of every installation, so that all but the
first guesses are told 429. Goal: at most 3, either way.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from benchmarks.http_load import Answer, Load, NextRequest, load
from benchmarks.refresh_ratio import Chains, auth_service, post
from benchmarks.servers import cores

GOAL = 3.0
FLOOD_CONNECTIONS = 64


def guesses(number: int) -> NextRequest:
    """Guess passwords on connection *number*."""
    count = 0

    def next_request(_last: Answer | None) -> bytes:
        nonlocal count
        count += 1
        return post("/login", json.dumps({"username": f"{number}-{count}", "password": "a wrong password"}).encode())

    return next_request


async def measure(port: int, tokens: list[str], options: argparse.Namespace) -> tuple[list[float], list[float]]:
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
        flood = load("127.0.0.1", port, guesses, connections=FLOOD_CONNECTIONS, duration_s=options.seconds)
        storm, hashed = await asyncio.gather(renew(), flood)
        unloaded.append(calm.percentile_s(99))
        flooded.append(storm.percentile_s(99))
        print(
            f"  {round_ + 1} p99 {unloaded[-1] * 1e3:6.2f} ms at {calm.per_second:6.0f}/s, under the flood"
            f" {flooded[-1] * 1e3:6.2f} ms at {storm.per_second:6.0f}/s; log-ins answered: {dict(hashed.statuses)}",
            flush=True,
        )
    return unloaded, flooded


def report(unloaded: Sequence[float], flooded: Sequence[float]) -> float:
    """Print and return the ratio of the medians."""
    ratio = statistics.median(flooded) / statistics.median(unloaded)
    print(f"p99 under the flood ÷ unloaded: {ratio:.2f}; goal {GOAL}")
    return ratio


def main() -> None:
    """Measure and report; exit 1 above the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--limited", action="store_true", help="with the default limit of failed log-ins")
    options = parser.parse_args()
    limits = {} if options.limited else {"AUTH_LOGIN_FAILURES": "100000000"}
    os.environ |= {"AUTH_LOG_LEVEL": "error", **limits}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, tokens = stack.enter_context(auth_service(folder / "flood", options.connections, 0))
        unloaded, flooded = uvloop.run(measure(port, tokens, options))
    sys.exit(report(unloaded, flooded) > GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
