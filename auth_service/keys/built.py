"""What is built from the keys of a file, and built again when the file changes."""

import json
from collections.abc import Sequence

from ..domain.jwk import Jwk, public_jwk, secret_of
from ..domain.proof import Nonces
from ..tokens.keyed_hmac import KeyedHmac
from ..tokens.refresh import RefreshKey
from ..tokens.session_code import SealedCodes


def public_keys(keys: Sequence[Jwk]) -> bytes:
    """Return the JWK Set of the public halves (RFC 7517 §5)."""
    return json.dumps({"keys": [public for key in keys if (public := public_jwk(key)) is not None]}).encode()


def refresh_keys(keys: Sequence[Jwk]) -> list[RefreshKey]:
    """Return the shared ones."""
    return [RefreshKey(key["kid"], secret_of(key)) for key in keys if key["kty"] == "oct"]


def nonces(keys: Sequence[Jwk]) -> Nonces:
    """Return what makes and accepts the nonces of proofs."""
    return Nonces([KeyedHmac(key.secret) for key in refresh_keys(keys)])


def session_codes(keys: Sequence[Jwk]) -> SealedCodes:
    """Return what makes and reads session codes."""
    return SealedCodes(refresh_keys(keys))


def stand_in_mac(keys: Sequence[Jwk]) -> KeyedHmac:
    """Return what says which user an unknown name follows: a change of keys seldom changes it."""
    return KeyedHmac(secret_of(keys[-1]), b"stand-in")  # the oldest
