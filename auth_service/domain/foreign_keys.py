"""The JWK Set (RFC 7517) of an issuer that is not ours: which of its keys verify assertions. No I/O.

Whoever publishes a set may be careless or malicious. What cannot be used safely is passed over, so that a bad key
beside a good one costs nobody anything; a shared key never verifies, and the token has no say in the algorithm.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import jwt
from jwt import PyJWK

from .jwk import MAX_KID_CHARACTERS, MIN_RSA_BITS
from .jws import PRIVATE_MEMBERS, is_of_low_order, read_object

KIND_OF: Final = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The kty and crv of the keys for each algorithm. All are asymmetric: a published key can sign nothing."""
OTHER_NAMES: Final = {"Ed25519": "EdDSA"}
"""RFC 9864 §2.2 gives EdDSA with this curve a name of its own."""
MAX_RSA_BITS: Final = 8192
"""A longer modulus would make each check a burden."""
MAX_KEYS: Final = 100

_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_MAX_CHARACTERS: Final = {"n": -(-MAX_RSA_BITS // 6), "e": 11, "x": 43, "y": 43}
"""Of each member in base64url: its size is known before any arithmetic is done."""


class ForeignKey(NamedTuple):
    """A public key that can be used; ``by_alg`` holds it for each algorithm that it may be used with."""

    kid: str | None
    by_alg: Mapping[str, PyJWK]


class ForeignKeys(NamedTuple):
    """A set. ``passed_over`` says of each key that looks as if it were for us why it is not used."""

    keys: tuple[ForeignKey, ...]
    passed_over: tuple[str, ...] = ()

    def find(self, kid: str | None, alg: str) -> PyJWK | None:
        """Return the key for a token with these headers; without ``kid`` there must be one alone (OIDC Core §10.1)."""
        found = [key.by_alg[alg] for key in self.keys if alg in key.by_alg and (kid is None or kid == key.kid)]
        return found[0] if len(found) == 1 else None


def read_foreign_keys(data: bytes, algorithms: Collection[str]) -> ForeignKeys:
    """Read a set.

    Args:
        data: as it was fetched.
        algorithms: those of ``KIND_OF`` that its issuer may use; keys for others are not for us.

    Raises:
        ValueError: it is no JWK Set, or has more than ``MAX_KEYS``. The message quotes nothing of it.
    """
    try:
        members = read_object(data).get("keys")
    except ValueError:
        raise ValueError("not a JWK Set") from None
    if not isinstance(members, list):
        raise ValueError("not a JWK Set")  # noqa: TRY004 - one type for all that it can be
    if len(members) > MAX_KEYS:
        raise ValueError(f"a JWK Set of more than {MAX_KEYS} keys")
    keys: list[ForeignKey] = []
    passed_over = []
    for number, member in enumerate(members, 1):
        try:
            key = _key(member, algorithms)
            _require_unlike(key, keys)
        except ValueError as problem:
            passed_over.append(f"key {number} {problem}")
        else:
            keys += [key] if key.by_alg else []
    return ForeignKeys(tuple(keys), tuple(passed_over))


def _key(member: Any, algorithms: Collection[str]) -> ForeignKey:
    """Return a key; one that is not for us has no algorithm. Raises: ValueError: it is for us, and cannot be used."""
    if not isinstance(member, dict):
        raise ValueError("is not an object")  # noqa: TRY004 - one type for all that it can be
    member = {name: value for name, value in member.items() if value is not None}  # null is as left out
    kid, for_it = member.get("kid"), _algorithms_of(member, algorithms)
    if not for_it:
        return ForeignKey(None, {})
    if not PRIVATE_MEMBERS.isdisjoint(member):
        raise ValueError("is private, and was published")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= MAX_KID_CHARACTERS):
        raise ValueError(f"has a kid that is not a string of at most {MAX_KID_CHARACTERS} characters")
    public = _public(member)
    try:
        by_alg = {alg: PyJWK(public, algorithm=alg) for alg in for_it}
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        raise ValueError("is malformed") from None  # their texts quote the key
    _require_strong(by_alg[for_it[0]].key, public)
    return ForeignKey(kid, by_alg)


def _algorithms_of(member: dict[str, Any], algorithms: Collection[str]) -> list[str]:
    """Return with which of *algorithms* a key may verify: one of them, where it names one (RFC 7517 §4.4)."""
    kind, operations = (member.get("kty"), member.get("crv")), member.get("key_ops", ["verify"])
    is_to_verify = member.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    own = member.get("alg")
    own = OTHER_NAMES.get(own, own) if isinstance(own, str) else own
    return [name for name in algorithms if is_to_verify and KIND_OF[name] == kind and own in (None, name)]


def _public(member: dict[str, Any]) -> dict[str, str]:
    names = _MEMBERS[member["kty"]]
    texts = {name: text for name in names if isinstance(text := member.get(name), str)}
    if len(texts) < len(names) or any(len(text) > _MAX_CHARACTERS[name] for name, text in texts.items()):
        raise ValueError("is malformed, or larger than any that is used")
    return {"kty": member["kty"], **({"crv": member["crv"]} if "crv" in member else {}), **texts}


def _require_strong(key: Any, public: dict[str, str]) -> None:
    if public["kty"] == "OKP" and is_of_low_order(key.public_bytes_raw()):
        raise ValueError("is a point of low order, with which anybody can sign")
    if public["kty"] == "RSA":
        numbers = key.public_numbers()
        if not MIN_RSA_BITS <= numbers.n.bit_length() <= MAX_RSA_BITS or numbers.n % 2 == 0:
            raise ValueError(f"has a modulus that is even, or not of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")


def _require_unlike(key: ForeignKey, keys: Sequence[ForeignKey]) -> None:
    if key.kid is None:
        return
    if any(key.kid == other.kid and not key.by_alg.keys().isdisjoint(other.by_alg) for other in keys):
        raise ValueError("has the kid of another")
