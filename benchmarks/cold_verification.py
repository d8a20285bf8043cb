"""What a token costs that was never seen before, in microseconds of processor time.

    python -m benchmarks.cold_verification [--tokens 10000] [--rounds 50]

Every token belongs to another user and comes once, in random order: no memory of tokens helps. Each way of verifying
gets the same tokens, round by round. Beside them stands the bare signature check as OpenSSL does it, which nothing that
verifies can do without: with EdDSA and ES256 it is to be at least 0.85 of all that authentication costs. Memory is
measured on tokens that are remembered: at most 700 bytes each.
"""

import argparse
import gc
import json
import time
import tracemalloc
from base64 import urlsafe_b64decode
from collections.abc import Callable
from statistics import median

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import JWKRegistry
from jwt import PyJWK

from benchmarks.ratios import paired
from benchmarks.strangers import tokens_of
from dualtoken.auth_service.domain.jwk import Jwk, new_jwk, public_jwk
from dualtoken.resource_service.verification.jwk_set import parse_jwk_set
from dualtoken.resource_service.verification.verifier import ValidationPolicy, Verifier

ISSUER, AUDIENCE = "https://auth.example", "https://api.example"
SIGNATURE = "signature alone"
SHARE_GOAL, BYTES_GOAL = 0.85, 700
Verify = Callable[[str], object]


def fresh_verifier(key: Jwk, cache_mib: float = 1024) -> Verifier:
    """Return a verifier that has seen nothing."""
    verifier = Verifier(ValidationPolicy(ISSUER, AUDIENCE), cache_mib=cache_mib)
    verifier.use(parse_jwk_set(json.dumps({"keys": [public_jwk(key) or key]}).encode()))
    return verifier


def ways(key: Jwk) -> dict[str, Verify]:
    """Return what is measured, by name."""
    alg, public = key["alg"], PyJWK(public_jwk(key) or key)
    joserfc_key = JWKRegistry.import_key(public_jwk(key) or key)
    registry = joserfc_jwt.JWTClaimsRegistry(iss={"essential": True, "value": ISSUER}, aud={"essential": True})

    def by_joserfc(token: str) -> object:
        decoded = joserfc_jwt.decode(token, joserfc_key, algorithms=[alg])
        registry.validate({**decoded.claims, "aud": AUDIENCE})
        return decoded

    return {
        "dualtoken": fresh_verifier(key).verify,
        "PyJWT": lambda token: jwt.decode(token, public, algorithms=[alg], audience=AUDIENCE, issuer=ISSUER),
        "joserfc": by_joserfc,
    }


def bare_check(key: Jwk) -> Verify:
    """Return the signature check alone, as ``cryptography`` does it through OpenSSL."""
    alg, public = key["alg"], PyJWK(public_jwk(key) or key).key
    by: tuple[object, ...] = (ECDSA(SHA256()),) if alg == "ES256" else ()

    def check_mac(parts: object) -> object:
        signing_input, signature = parts  # type: ignore[misc]
        mac = HMAC(public, SHA256())
        mac.update(signing_input)
        return mac.verify(signature)

    def check(parts: object) -> object:
        signing_input, signature = parts  # type: ignore[misc]
        return public.verify(signature, signing_input, *by)

    return check_mac if alg == "HS256" else check


def microseconds(verify: Verify, items: list[object]) -> float:
    """Return the processor time of one call."""
    began = time.process_time()
    for item in items:
        verify(item)  # type: ignore[arg-type]
    return (time.process_time() - began) / len(items) * 1e6


def measure(alg: str, number: int, rounds: int) -> dict[str, list[float]]:
    """Return microseconds of processor time for each way and for the signature check alone, round by round.

    Each round has tokens of its own, so that none comes twice.
    """
    key = new_jwk(alg)
    made = tokens_of(key, number, issuer=ISSUER, audience=AUDIENCE)
    parts = [_parts(token, alg) for token in made]
    measured = {**ways(key), SIGNATURE: bare_check(key)}
    taken: dict[str, list[float]] = {name: [] for name in measured}
    size = number // rounds
    for round_ in range(rounds):
        part = slice(round_ * size, (round_ + 1) * size)
        for name, verify in measured.items():
            items: list[object] = list((parts if name == SIGNATURE else made)[part])
            taken[name].append(microseconds(verify, items))
    return taken


def _parts(token: str, alg: str) -> tuple[bytes, bytes]:
    """Return what is signed, and the signature as OpenSSL takes it."""
    signing_input, _, encoded = token.rpartition(".")
    signature = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if alg == "ES256":
        signature = encode_dss_signature(*(int.from_bytes(half, "big") for half in (signature[:32], signature[32:])))
    return signing_input.encode(), signature


def bytes_remembered(number: int) -> float:
    """Return what one remembered token takes."""
    key = new_jwk("HS256")
    made = tokens_of(key, number, issuer=ISSUER, audience=AUDIENCE)
    verifier = fresh_verifier(key, cache_mib=4096)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for token in made:
        verifier.verify(token)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / verifier.cached


def report(alg: str, taken: dict[str, list[float]]) -> None:
    """Print what one token takes each way, and the ratios of neighbouring rounds."""
    print(f"{alg}, µs for one token: {', '.join(f'{name} {median(each):.1f}' for name, each in taken.items())}")
    for peer in ("PyJWT", "joserfc"):
        print(f"{alg}: {peer} ÷ dualtoken: {paired(taken[peer], taken['dualtoken'])}")
    goal = "" if alg == "HS256" else f"; goal {SHARE_GOAL}"
    print(f"{alg}: {SIGNATURE} ÷ dualtoken: {paired(taken[SIGNATURE], taken['dualtoken'])}{goal}")


def report_bytes(each: float) -> None:
    """Print what a remembered token takes."""
    print(f"one remembered token: {each:.0f} bytes; goal {BYTES_GOAL}")


def main() -> None:
    """Print the figures of each algorithm, and what a remembered token takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    given = parser.parse_args()
    gc.freeze()  # as a service does once it has started
    for alg in ("HS256", "EdDSA", "ES256"):
        report(alg, measure(alg, given.tokens, given.rounds))
    report_bytes(bytes_remembered(given.tokens))


if __name__ == "__main__":
    main()
