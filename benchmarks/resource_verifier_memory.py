"""Memory of one verifier while different valid tokens pass through it: flat once its cache is full.

    python -m benchmarks.resource_verifier_memory [--tokens 1000000]

Prints resident memory after each tenth; exits 1 if it grew by more than 5 % after the first.
"""

import argparse
import sys
import time
from collections.abc import Sequence

import psutil

from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from dualtoken.resource_service.verification.verifier import ValidationPolicy, Verifier
from tests.resource_service.issuer import AUDIENCE, ISSUER, TTL_S, Key
from tests.resource_service.jwk_sets import jwk_set

ALLOWED_GROWTH = 1.05


def main() -> None:
    """Verify, and watch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    tokens = parser.parse_args().tokens
    key, process = Key(), psutil.Process()
    verifier = Verifier(ValidationPolicy(ISSUER, AUDIENCE))
    verifier.use(parse_jwk_set(jwk_set(key.jwk)))
    resident = []
    for tenth in range(10):
        now, started = int(time.time()), time.perf_counter()
        for number in range(tenth * tokens // 10, (tenth + 1) * tokens // 10):
            verifier.verify(key.token(jti=str(number), sid=f"session-{number}", iat=now, exp=now + TTL_S))
        resident.append(process.memory_info().rss)
        seconds = time.perf_counter() - started
        done, mib = (tenth + 1) * tokens // 10, resident[-1] / 2**20
        print(f"{done:9} tokens  {mib:7.1f} MiB  {seconds:5.1f} s  cached {verifier.cached}", flush=True)
    sys.exit(report(resident) > ALLOWED_GROWTH)


def report(resident: Sequence[int]) -> float:
    """Print how far memory grew after the first of its readings, and return it."""
    growth = max(resident[1:]) / resident[0]
    print(f"largest after the first tenth ÷ after it: {growth:.3f}; allowed {ALLOWED_GROWTH}")
    return growth


if __name__ == "__main__":
    main()
