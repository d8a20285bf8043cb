"""DPoP proofs (RFC 9449 §4.2), as this client makes them."""

import json
import secrets
from typing import Any, Final

from yarl import URL

from ..proof_keys import ProofKey, encoded

_JTI_BYTES: Final = 16


async def make_proof(key: ProofKey, *, method: str, url: URL, now: float, nonce: str | None) -> str:
    """Return the value of the ``DPoP`` header of one request: a fresh proof for each.

    Args:
        key: signs it.
        method: of the request.
        url: of the request; query and fragment are left out.
        now: seconds since the epoch.
        nonce: the newest that the service has sent, or None.

    Raises:
        StorageError: the key cannot be used.
    """
    header = {"typ": "dpop+jwt", "alg": key.algorithm, "jwk": dict(key.public_jwk)}
    payload: dict[str, Any] = {
        "jti": secrets.token_urlsafe(_JTI_BYTES),
        "htm": method,
        "htu": str(url.with_query(None).with_fragment(None)),
        "iat": int(now),
    }
    if nonce is not None:
        payload["nonce"] = nonce
    signing_input = f"{_segment(header)}.{_segment(payload)}"
    return f"{signing_input}.{encoded(await key.sign(signing_input.encode()))}"


def _segment(value: dict[str, Any]) -> str:
    return encoded(json.dumps(value, separators=(",", ":")).encode())
