"""What checks a signature, made once for each key: all that can be prepared is."""

from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

Check = Callable[[bytes, bytes], object]
"""Takes the signing input and the signature; raises ``InvalidSignature``."""

_P256_BYTES = 32
"""Of each half of an ES256 signature (RFC 7518 §3.4)."""


def check_with(alg: str, key: Any) -> Check:
    """Return what checks signatures by *alg* with *key*: bytes, or a public key of ``cryptography``."""
    return {"HS256": _hs256, "EdDSA": _eddsa, "ES256": _es256, "RS256": _rs256}[alg](key)


def _hs256(key: bytes) -> Check:
    keyed = HMAC(key, SHA256())

    def check(signing_input: bytes, signature: bytes) -> None:
        mac = keyed.copy()
        mac.update(signing_input)
        mac.verify(signature)

    return check


def _eddsa(key: Any) -> Check:
    verify = key.verify

    def check(signing_input: bytes, signature: bytes) -> None:
        verify(signature, signing_input)

    return check


def _es256(key: Any) -> Check:
    verify, by = key.verify, ECDSA(SHA256())

    def check(signing_input: bytes, signature: bytes) -> None:
        if len(signature) != 2 * _P256_BYTES:
            raise InvalidSignature
        r, s = signature[:_P256_BYTES], signature[_P256_BYTES:]
        verify(encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")), signing_input, by)

    return check


def _rs256(key: Any) -> Check:
    verify, padding, digest = key.verify, PKCS1v15(), SHA256()

    def check(signing_input: bytes, signature: bytes) -> None:
        verify(signature, signing_input, padding, digest)

    return check
