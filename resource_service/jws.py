"""A signed token in JWS compact form (RFC 7515 §7.1), taken apart strictly.

PyJWT's own reader accepts padding and duplicate members, and turns text into numbers; what two readers may read
differently is refused here instead.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

from resource_service.errors import TokenRefused
from resource_service.strict_json import read_object

KIB = 1024
TOKEN_LIMIT = 8 * KIB
"""Characters of a token: more is refused unread."""

COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc"})
"""Each would let the token say how, or with whose key, it is to be read (RFC 8725 §3.10)."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """The parts of a token. Nothing in it is to be believed before the signature was verified."""

    header: dict[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes


def parse(token: str) -> SignedToken:
    """Take *token* apart.

    Raises:
        TokenRefused: it is not exactly three canonical base64url segments, or its header is not acceptable.
    """
    if len(token) > TOKEN_LIMIT:
        raise TokenRefused("invalid", "token too long")
    if not COMPACT.fullmatch(token):
        raise TokenRefused("invalid", "not a compact JWS")
    signing_input, _, signature = token.rpartition(".")
    header, _, payload = signing_input.partition(".")
    try:
        parsed = SignedToken(
            header=read_object(_decode(header)),
            payload=_decode(payload),
            signing_input=signing_input.encode(),
            signature=_decode(signature),
        )
    except ValueError:
        raise TokenRefused("invalid", "not base64url, or its header is not a JSON object") from None
    if not FORBIDDEN_HEADERS.isdisjoint(parsed.header):
        raise TokenRefused("invalid", "a header parameter that is never honoured")
    return parsed


def _decode(segment: str) -> bytes:
    data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    # The last character of a segment can carry bits that decoding drops: several spellings of one token.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != segment.encode():
        raise ValueError("not canonical base64url")
    return data
