"""What binding a session to a key costs: ``POST /refresh`` with a DPoP proof ÷ without, of one auth service on SQLite.

    python -m benchmarks.bound_ratio [--rounds 100] [--seconds 0.25] [--connections 64]

Both are asked in turn; each refresh presents the token of the last answer. Those of bound sessions bring a proof by an
ES256 key of their session's own, in the place of an Idempotency-Key. The proofs are made beforehand, some for each
connection, so that the load is not the limit: the service remembers none, and checks each. Beside them stands the bare
signature check, OpenSSL's by a key that is loaded, which nothing that checks proofs can do without. Goal: at least 0.5.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from yarl import URL

from benchmarks.auth_services import auth_service
from benchmarks.http_load import Load
from benchmarks.in_turn import Server, in_turn
from benchmarks.ratios import paired
from benchmarks.refresh_ratio import Chains, ratio, show
from benchmarks.servers import cores
from dualtoken.client.proof_keys import MemoryProofKey, thumbprint
from dualtoken.client.wire.proof import make_proof

GOAL = 0.5
REFRESH = URL("http://localhost:8001/refresh")  # by the issuer's default, wherever the service listens
PROOFS = 32  # of each connection
SIGNED = b"x" * 350  # as many bytes as the header and the payload of a proof


async def proofs_of(key: MemoryProofKey) -> list[str]:
    """Return proofs for a refresh within the next five minutes."""
    return [await make_proof(key, method="POST", url=REFRESH, now=time.time(), nonce=None) for _ in range(PROOFS)]


class BoundChains(Chains):
    """Chains of bound sessions: each connection proves its own key."""

    def __init__(self, tokens: list[str], proofs: Sequence[Sequence[str]]) -> None:
        super().__init__(tokens)
        self._proofs, self._sent = proofs, 0

    def header(self, number: int, _token: str) -> str:
        """Return a proof."""
        self._sent += 1
        return f"DPoP: {self._proofs[number][self._sent % PROOFS]}"


def bare_check_us(checks: int = 2_000, rounds: int = 5) -> float:
    """Return the microseconds of processor time that the signature check alone takes, the median of its rounds."""
    private, algorithm = generate_private_key(SECP256R1()), ECDSA(SHA256())
    signature, public = private.sign(SIGNED, algorithm), private.public_key()
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        for _ in range(checks):
            public.verify(signature, SIGNED, algorithm)
        taken.append((time.process_time() - begun) / checks * 1e6)
    return statistics.median(taken)


def report(loads: Mapping[str, Sequence[Load]], check_us: float) -> float:
    """Print the rates, what a proof costs, and what of that is the bare check; return the ratio of rates."""
    rates = {name: [load.per_second for load in each] for name, each in loads.items()}
    show(rates)
    bound, unbound = ([load.per_processor_second for load in loads[name]] for name in ("bound", "unbound"))
    bound_us, unbound_us = (1e6 / statistics.median(each) for each in (bound, unbound))
    print(f"of processor time: bound {bound_us:.0f} µs, unbound {unbound_us:.0f} µs: {paired(bound, unbound)}")
    print(f"the bare ES256 check takes {check_us:.0f} µs of the {bound_us - unbound_us:.0f} µs that a proof costs")
    return ratio(rates, "bound", "unbound", GOAL)


def main() -> None:
    """Measure and report; exit 1 below the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    number = options.connections
    keys = [MemoryProofKey() for _ in range(number)]
    jkts = [thumbprint(key.public_jwk) for key in keys]
    with (
        tempfile.TemporaryDirectory() as folder,
        auth_service(Path(folder) / "auth", 2 * number, jkts=jkts) as (
            port,
            tokens,
        ),
    ):
        proofs = [asyncio.run(proofs_of(key)) for key in keys]
        servers = {
            "bound": Server(port, BoundChains(tokens[:number], proofs)),
            "unbound": Server(port, Chains(tokens[number:])),
        }
        turns = in_turn(servers, rounds=options.rounds, seconds=options.seconds, connections=number)
        loads = uvloop.run(turns)
    sys.exit(report(loads, bare_check_us()) < GOAL)


if __name__ == "__main__":
    os.sched_setaffinity(0, {cores()[1]})
    main()
