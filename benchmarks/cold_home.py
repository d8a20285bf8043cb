"""What authentication costs where every request brings another user's token: ``GET /home`` ÷ the same without auth.

    python -m benchmarks.cold_home [--algs HS256 EdDSA ES256] [--rounds 40] [--seconds 0.25] [--connections 64]

No token is remembered when it comes: there are 40,000 users, in random order, and a service remembers 29,000 by
default, which is checked against its own count of hits. The route without auth is one of the same process, asked in
turn with the same requests. One process on one core does as many requests as its processor time allows, so the ratio is
that of processor time for a request, which other work on the machine disturbs less; that of rates stands beside it.
Goal for HS256: at least 0.8. With EdDSA and ES256 the signature check is nearly all of it:
``benchmarks.cold_verification`` says how much.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.in_turn import Server, in_turn
from benchmarks.processor_time import Meters, per_request_us
from benchmarks.ratios import Ratio, paired
from benchmarks.resource_auth_ratio import AUDIENCE, ISSUER, honoured, settings
from benchmarks.servers import cores, server
from benchmarks.strangers import USERS, Strangers, tokens_of, write_keys
from dualtoken.auth_service.domain.jwk import new_jwk, public_jwk

ALGS = ("HS256", "EdDSA", "ES256")
GOAL = 0.8  # of HS256
HITS = 'resource_token_lookups_total{result="hit"} '


def hits(port: int) -> float:
    """Return how many tokens the service found remembered, as it counts them itself."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.removeprefix(HITS)) for line in lines if line.startswith(HITS))


def measure(alg: str, folder: Path, options: argparse.Namespace) -> Ratio:
    """Measure one algorithm; print its rates.

    Raises:
        RuntimeError: a token was remembered when it came: then this is no measurement of strangers.
    """
    key, path = new_jwk(alg), folder / f"{alg}.jwks.json"
    write_keys(path, [public_jwk(key) or key])
    known, *tokens = tokens_of(key, USERS + 1, issuer=ISSUER, audience=AUDIENCE)
    with server(
        "-m", "benchmarks.resource_auth_ratio", "--serve", "service", core=cores()[0], **settings(path)
    ) as port:
        asyncio.run(honoured(port, known))
        before = hits(port)
        servers = {"cold": Server(port, Strangers("/home", tokens)), "open": Server(port, Strangers("/open", tokens))}
        turns = in_turn(
            servers,
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
            awake=True,
            meter=Meters(),
        )
        loads = uvloop.run(turns)
        if hits(port) != before:
            raise RuntimeError(f"{hits(port) - before:.0f} tokens were remembered")
    rates = {name: [load.per_second for load in of_server] for name, of_server in loads.items()}
    found = paired(per_request_us(loads["open"]), per_request_us(loads["cold"]))
    report(alg, found, paired(rates["cold"], rates["open"]))
    return found


def report(alg: str, found: Ratio, of_rates: Ratio) -> None:
    """Print the ratios of one algorithm."""
    goal = f"; goal {GOAL}" if alg == "HS256" else ""
    print(f"{alg}: each token once ÷ without auth: {found}{goal}")
    print(f"{alg}: the same by rate: {of_rates}", flush=True)


def main() -> None:
    """Measure each algorithm; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algs", nargs="+", choices=ALGS, default=ALGS)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = {alg: measure(alg, folder, options) for alg in options.algs}
    sys.exit("HS256" in found and found["HS256"].median < GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
