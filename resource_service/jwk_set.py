"""JWK Sets (RFC 7517): which keys verify, each with the one algorithm that it is for. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jwt
from jwt.algorithms import Algorithm, RSAAlgorithm

from resource_service.errors import KeySetRefused
from resource_service.strict_json import read_object

ALGORITHMS = MappingProxyType(
    {("oct", None): "HS256", ("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
)
"""The algorithm of each kind of key. The token has no say in it (RFC 8725 §3.1)."""

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
SHARED_KEY_BYTES = 32
"""Bytes of a key for HS256, at least (RFC 7518 §3.2)."""
RSA_BITS = 2048
"""Bits of an RSA modulus, at least (RFC 7518 §3.3)."""
KID_LIMIT = 256


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, bound to its algorithm."""

    kid: str
    alg: str
    algorithm: Algorithm = field(repr=False, compare=False)
    key: Any = field(repr=False)

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether *signature* was made over *signing_input* with this key."""
        return self.algorithm.verify(signing_input, self.key, signature)


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by ``kid``; ``secret`` says whether whoever reads the set could sign tokens."""

    keys: Mapping[str, VerificationKey]
    secret: bool


def parse_jwk_set(data: bytes) -> KeySet:
    """Read a JWK Set.

    Keys of a kind, algorithm or use that is not for verifying access tokens are ignored (RFC 7517 §5). None may be
    left.

    Raises:
        KeySetRefused: the set is malformed, a key in it is unsafe, or two share a ``kid``.
    """
    try:
        members = read_object(data).get("keys")
    except ValueError as error:
        raise KeySetRefused(f"not a JWK Set: {error}") from None
    if not isinstance(members, list) or not all(isinstance(jwk, dict) for jwk in members):
        raise KeySetRefused("not a JWK Set: no list of keys")
    found = [_verification_key(jwk) for jwk in members if _is_for_us(jwk)]
    keys = {key.kid: key for key in found}
    if len(keys) != len(found):
        raise KeySetRefused("two keys share a kid")
    secret = any(jwk.get("kty") == "oct" or not PRIVATE_MEMBERS.isdisjoint(jwk) for jwk in members)
    return KeySet(MappingProxyType(keys), secret)


def _is_for_us(jwk: dict[str, Any]) -> bool:
    alg = ALGORITHMS.get(_kind(jwk))
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list):
        raise KeySetRefused("key_ops is not a list")
    is_to_verify = jwk.get("use", "sig") == "sig" and "verify" in operations
    return alg is not None and jwk.get("alg", alg) == alg and is_to_verify


def _kind(jwk: dict[str, Any]) -> tuple[Any, Any]:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kty, str) or not isinstance(crv, str | None):
        raise KeySetRefused("a key without a type")
    return kty, crv


def _verification_key(jwk: dict[str, Any]) -> VerificationKey:
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= KID_LIMIT:
        raise KeySetRefused("a key without a kid")
    # The signing half, where a file holds it, is of no use here; PyJWT's RSA cannot even verify with it.
    public = {name: value for name, value in jwk.items() if name not in PRIVATE_MEMBERS}
    try:
        parsed = jwt.PyJWK(public, ALGORITHMS[_kind(jwk)])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        # Their texts quote the key.
        raise KeySetRefused(f"the key {kid} is malformed") from None
    _check_strength(kid, parsed)
    return VerificationKey(kid, parsed.algorithm_name, parsed.Algorithm, parsed.key)


def _check_strength(kid: str, parsed: jwt.PyJWK) -> None:
    if parsed.key_type == "oct" and len(parsed.key) < SHARED_KEY_BYTES:
        raise KeySetRefused(f"the shared key {kid} is shorter than {SHARED_KEY_BYTES} bytes")
    if isinstance(parsed.Algorithm, RSAAlgorithm) and parsed.key.key_size < RSA_BITS:
        raise KeySetRefused(f"the RSA key {kid} is shorter than {RSA_BITS} bits")
