"""What a user's own claims cost: ``POST /refresh`` of a user who has some ÷ of one who has none.

    python -m benchmarks.claims_ratio [--rounds 100] [--seconds 0.25] [--connections 64]

One service on SQLite, whose sessions belong to three users: without claims, with a tenant and roles, and with as many
as are allowed, 2 KiB. They are renewed in turn, in an order drawn anew, so that the same process does all of it. Goal:
at least 0.97 with a tenant and roles; the 2 KiB, whose answers are three times as long, are told beside.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop

from benchmarks.auth_services import USER, auth_service, open_sessions, refresh_tokens
from benchmarks.in_turn import Server, in_turn
from benchmarks.refresh_ratio import Chains, ratio, show
from benchmarks.servers import cores
from dualtoken.auth_service.domain.own_claims import MAX_BYTES, text_of_claims

GOAL = 0.97
CLAIMS = {
    "claims": {"tenant": "acme", "roles": ["admin", "editor"], "plan": "pro"},
    "2 KiB": {"filler": "x" * (MAX_BYTES - len('{"filler":""}'))},
}


def report(rates: Mapping[str, Sequence[float]]) -> float:
    """Print the rates and what claims cost; return the ratio that has a goal."""
    show(rates)
    ratio(rates, "2 KiB", "none", GOAL)
    return ratio(rates, "claims", "none", GOAL)


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "claims"
        with auth_service(folder, options.connections, 0) as (port, first):
            servers = {"none": Server(port, Chains(first))}
            for name, claims in CLAIMS.items():
                user = USER._replace(id=name, username=name, claims=text_of_claims(claims))
                opening = open_sessions(
                    f"sqlite:///{folder}/auth.db", refresh_tokens(folder), options.connections, user
                )
                servers[name] = Server(port, Chains(asyncio.run(opening)))
            turns = in_turn(servers, rounds=options.rounds, seconds=options.seconds, connections=options.connections)
            loads = uvloop.run(turns)
    sys.exit(report({name: [load.per_second for load in loads[name]] for name in loads}) < GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
