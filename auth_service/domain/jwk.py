"""JSON Web Keys (RFC 7517): make one, judge one, take its public half. No I/O."""

import secrets
from typing import Any

from jwt import PyJWK, PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_decode, base64url_encode

from ..errors import StartupError

Jwk = dict[str, Any]

_KINDS = {"HS256": ("oct", None), "EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", None)}
"""The kty and crv that go with each alg: verifiers accept no other."""
ALGORITHMS = tuple(_KINDS)
MAX_KID_CHARACTERS = 256  # that verifiers accept
MIN_SECRET_BYTES = 32  # RFC 7518 §3.2: a key of at least the size of the hash output
MIN_RSA_BITS = 2048  # RFC 7518 §3.3
_PUBLIC_MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"})  # RFC 7518 §6


def new_jwk(algorithm: str) -> Jwk:
    """Return a fresh key for one of ``ALGORITHMS``.

    The ``kid`` is random: a thumbprint (RFC 7638) of a symmetric key would be a hash of the secret.
    """
    kid = secrets.token_hex(8)  # goes on command lines: never begins with a dash
    return {**_key_members(algorithm), "alg": algorithm, "use": "sig", "kid": kid}


def _key_members(algorithm: str) -> Jwk:
    # cryptography is slow to import and only ever needed here for asymmetric keys.
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match algorithm:
        case "HS256":
            return {"kty": "oct", "k": base64url_encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode()}
        case "EdDSA":
            return OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)
        case "ES256":
            return ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
        case "RS256":
            return RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, MIN_RSA_BITS), as_dict=True)
    raise ValueError(f"unknown algorithm {algorithm!r}; one of {', '.join(ALGORITHMS)}")


def public_jwk(jwk: Jwk) -> Jwk | None:
    """Return the public half of *jwk*, or None for a shared key, which has none."""
    if jwk["kty"] == "oct":
        return None
    return {name: value for name, value in jwk.items() if name in _PUBLIC_MEMBERS}


def secret_of(jwk: Jwk) -> bytes:
    """Return the bytes of a symmetric key (RFC 7518 §6.4)."""
    return base64url_decode(jwk["k"])


def check_jwk(where: str, jwk: Jwk) -> None:
    """Return if *jwk* is a private or shared key that this service may use.

    Args:
        where: begins the message of an error.
        jwk: the key, as the file has it.

    Raises:
        StartupError: it is weak or unusable. The message quotes no member of the key.
    """
    if not isinstance(jwk.get("kid"), str) or not 0 < len(jwk["kid"]) <= MAX_KID_CHARACTERS:
        raise StartupError(f"{where}: kid is missing or longer than {MAX_KID_CHARACTERS} characters")
    if jwk.get("alg") not in ALGORITHMS:
        raise StartupError(f"{where}: alg must be one of {', '.join(ALGORITHMS)}")
    if _KINDS[jwk["alg"]] != (jwk.get("kty"), jwk.get("crv")):
        raise StartupError(f"{where}: kty, crv and alg do not belong together")
    if jwk.get("use", "sig") != "sig":
        raise StartupError(f"{where}: use must be sig")
    try:
        key = PyJWK(jwk)
    except (PyJWTError, ValueError, TypeError, KeyError):
        # The library's message would quote the key.
        raise StartupError(f"{where}: not a usable {jwk['alg']} key") from None
    if jwk["kty"] == "oct" and len(key.key) < MIN_SECRET_BYTES:
        raise StartupError(f"{where}: a shared key needs at least {MIN_SECRET_BYTES} bytes (RFC 7518 §3.2)")
    if jwk["kty"] == "RSA" and key.key.key_size < MIN_RSA_BITS:
        raise StartupError(f"{where}: an RSA key needs at least {MIN_RSA_BITS} bits (RFC 7518 §3.3)")
    if jwk["kty"] != "oct" and "d" not in jwk:
        raise StartupError(f"{where}: the private half is missing")
