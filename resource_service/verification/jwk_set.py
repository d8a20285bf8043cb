"""JWK Sets (RFC 7517): which keys verify, each with the one algorithm that it is for. No I/O."""

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from ..errors import KeySetRefused
from .signatures import Check, check_with
from .strict_json import read_object

ALGORITHMS = MappingProxyType(
    {("oct", None): "HS256", ("OKP", "Ed25519"): "EdDSA", ("EC", "P-256"): "ES256", ("RSA", None): "RS256"}
)
"""The algorithm of each kind of key. The token has no say in it (RFC 8725 §3.1)."""
OTHER_NAMES = MappingProxyType({"EdDSA": "Ed25519"})
"""A second name of an algorithm: RFC 9864 §2.2 gives EdDSA with this curve one of its own."""

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
SHARED_KEY_BYTES = 32
"""Bytes of a key for HS256, at least (RFC 7518 §3.2)."""
RSA_BITS = range(2048, 8192 + 1)
"""Bits of an RSA modulus: at least 2048 (RFC 7518 §3.3); a longer one than 8192 would make each check a burden."""
RSA_LEAST_EXPONENT = 3
RSA_EXPONENT_BITS = 64
KID_LIMIT = 256
TOLD_PROBLEMS = 3
"""Maximum keys of a refused set whose problems are reported."""

ED25519_P = 2**255 - 19
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
LOW_ORDER_Y = frozenset({0, 1, ED25519_P - 1, _ORDER_8_Y, ED25519_P - _ORDER_8_Y})
"""The y of the eight points whose order divides 8. A signature for such a key verifies messages that nobody signed."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One key, bound to its algorithm.

    Attributes:
        algs: what a token may call the algorithm.
    """

    kid: str
    alg: str
    algs: frozenset[str]
    key: Any = field(repr=False)
    check: Check = field(repr=False, compare=False)

    def verifies(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether *signature* was made over *signing_input* with this key."""
        try:
            self.check(signing_input, signature)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by ``kid``.

    Attributes:
        secret: whether whoever reads the set could sign tokens.
        passed_over: what is wrong with each key that is for us and cannot be used. It makes no two sets differ.
    """

    keys: Mapping[str, VerificationKey]
    secret: bool
    passed_over: tuple[str, ...] = field(default=(), compare=False)


def parse_jwk_set(data: bytes) -> KeySet:
    """Read a JWK Set.

    Keys of a kind, algorithm or use that is not for verifying access tokens are ignored, and unusable ones passed over
    (RFC 7517 §5). No key need be left, unless all of those for us are unusable.

    Raises:
        KeySetRefused: the set is malformed, or each key in it that is for us is malformed, unsafe or without a kid.
    """
    try:
        members = read_object(data.removeprefix(BOM_UTF8)).get("keys")  # as some editors begin a file
    except ValueError as error:
        raise KeySetRefused(f"not a JWK Set: {error}") from None
    if not isinstance(members, list):
        raise KeySetRefused("not a JWK Set: no list of keys")
    keys: dict[str, VerificationKey] = {}
    passed_over = []
    for jwk in members:
        try:
            _add(keys, jwk)
        except KeySetRefused as problem:
            passed_over.append(str(problem))
    if passed_over and not keys:
        raise KeySetRefused(f"no usable key: {'; '.join(passed_over[:TOLD_PROBLEMS])}")
    return KeySet(MappingProxyType(keys), any(map(_is_secret, members)), tuple(passed_over))


def _add(keys: dict[str, VerificationKey], jwk: Any) -> None:
    """Add *jwk* to *keys*, if it is for us.

    Raises:
        KeySetRefused: it cannot be used.
    """
    if not isinstance(jwk, dict):
        raise KeySetRefused("a key that is not an object")
    jwk = {name: value for name, value in jwk.items() if value is not None}  # null is as left out
    if not _is_for_us(jwk):
        return
    key = _verification_key(jwk)
    if key.kid in keys:
        raise KeySetRefused(f"two keys share a kid: {key.kid!r}")
    keys[key.kid] = key


def _is_secret(jwk: Any) -> bool:
    return isinstance(jwk, dict) and (
        jwk.get("kty") == "oct" or any(jwk.get(name) is not None for name in PRIVATE_MEMBERS)
    )


def _is_for_us(jwk: dict[str, Any]) -> bool:
    alg = ALGORITHMS.get(_kind(jwk))
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list):
        raise KeySetRefused("key_ops is not a list")
    is_to_verify = jwk.get("use", "sig") == "sig" and "verify" in operations
    return alg is not None and jwk.get("alg", alg) in (alg, OTHER_NAMES.get(alg, alg)) and is_to_verify


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
        parsed = jwt.PyJWK(public, alg := ALGORITHMS[_kind(jwk)])
        weakness = _weakness(parsed.key)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        # Their texts quote the key.
        raise KeySetRefused(f"the key {kid!r} is malformed") from None
    if weakness:
        raise KeySetRefused(f"the key {kid!r} {weakness}")
    return VerificationKey(
        kid, alg, frozenset({alg, OTHER_NAMES.get(alg, alg)}), parsed.key, check_with(alg, parsed.key)
    )


def _weakness(key: Any) -> str:
    """Say what makes a well-formed key unsafe; empty if nothing does."""
    if isinstance(key, bytes):
        return "" if len(key) >= SHARED_KEY_BYTES else f"is shorter than {SHARED_KEY_BYTES} bytes"
    if isinstance(key, Ed25519PublicKey):
        return "is a point of low order, with which anybody can sign" if _is_of_low_order(key) else ""
    if isinstance(key, RSAPublicKey):
        return _rsa_weakness(key.public_numbers())
    return ""


def _rsa_weakness(numbers: RSAPublicNumbers) -> str:
    bits = numbers.n.bit_length()
    if bits < RSA_BITS.start:
        return f"is shorter than {RSA_BITS.start} bits"
    if bits not in RSA_BITS:
        return f"is longer than {RSA_BITS.stop - 1} bits"
    if numbers.n % 2 == 0 or numbers.e % 2 == 0 or numbers.e < RSA_LEAST_EXPONENT:
        return f"has an even modulus, or an exponent that is even or below {RSA_LEAST_EXPONENT}"
    return "" if numbers.e.bit_length() <= RSA_EXPONENT_BITS else f"has an exponent of over {RSA_EXPONENT_BITS} bits"


def _is_of_low_order(key: Ed25519PublicKey) -> bool:
    # The sign of x is the highest bit, and y may be written with p added to it: neither hides a point.
    y = int.from_bytes(key.public_bytes_raw(), "little") % 2**255 % ED25519_P
    return y in LOW_ORDER_Y
