"""Memory stays flat, however many tokens pass through."""

import gc
import tracemalloc

from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from dualtoken.resource_service.verification.revoked_sessions import RevokedSessions
from dualtoken.resource_service.verification.verifier import ValidationPolicy, Verifier
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key
from tests.resource_service.jwk_sets import jwk_set

SLACK = 256 * 1024
"""Bytes: what interpreters keep for themselves, far below one more cache."""


def test_different_tokens_do_not_accumulate() -> None:
    """Once the cache is full, ten times as many tokens take no more memory."""
    key = Key()
    verifier = Verifier(ValidationPolicy(ISSUER, AUDIENCE), cache_mib=0.25, clock=Clock(NOW + 10))
    verifier.use(parse_jwk_set(jwk_set(key.jwk)))

    def verify(first: int, number: int) -> int:
        for jti in range(first, first + number):
            verifier.verify(key.token(jti=str(jti)))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        full = verify(0, 1_000)
        cached = verifier.cached
        later = verify(1_000, 5_000)
    finally:
        tracemalloc.stop()

    assert (True, True) == (cached < 1_000, later - full < SLACK)
    assert verifier.cached <= cached


def test_revocations_do_not_accumulate() -> None:
    """At a steady rate, as many are remembered as fit into the life of a token."""
    revoked = RevokedSessions(retention_s=100)
    for second in range(10_000):
        revoked.add(f"session-{second}", second)
        revoked.prune(second)

    assert 100 == len(revoked.ids)
