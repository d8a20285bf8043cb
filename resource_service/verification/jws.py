"""A signed token in JWS compact form (RFC 7515 §7.1), taken apart strictly.

PyJWT's own reader accepts padding and duplicate members, and turns text into numbers; what two readers may read
differently is refused here instead.
"""

from typing import Any

from pydantic_core import SchemaValidator
from pydantic_core.core_schema import CoreConfig, bytes_schema

from ..errors import RefreshTokenPresented, TokenRefused
from .strict_json import read_object

KIB = 1024
TOKEN_LIMIT = 8 * KIB
"""Characters of a token: more is refused unread."""

_OF_A_REFRESH = "dtr1_"  # of the auth service; no JSON object begins so in base64url

FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jku", "jwk", "x5u", "x5c", "zip", "enc"})
"""Each would let the token say how, or with whose key, it is to be read (RFC 8725 §3.10)."""

# Its decoder refuses other alphabets, blanks, and last characters with bits that decoding would drop.
_decoder = SchemaValidator(bytes_schema(), CoreConfig(val_json_bytes="base64"))


def split(token: str) -> tuple[str, str, str]:
    """Return header, payload and signature of *token*, each still encoded.

    Raises:
        TokenRefused: it is too long, or not three segments.
    """
    if len(token) > TOKEN_LIMIT:
        raise TokenRefused("invalid", "token too long")
    if token.startswith(_OF_A_REFRESH):
        raise RefreshTokenPresented
    segments = token.split(".")
    if len(segments) != 3:
        raise TokenRefused("invalid", "not a compact JWS")
    header, payload, signature = segments
    return header, payload, signature


def decode(segment: str) -> bytes:
    """Decode a segment from its one spelling in base64url (RFC 7515 §2).

    Raises:
        TokenRefused: it is another, or none.
    """
    try:
        # The decoder would take padding.
        if "=" not in segment:
            return _decoder.validate_strings(segment)  # type: ignore[arg-type, no-any-return]  # a text; bytes, by its schema
    except ValueError:
        pass
    raise TokenRefused("invalid", "not base64url")


def read_header(segment: str) -> dict[str, Any]:
    """Read the header of a token. Nothing in it is to be believed before the signature was verified.

    Raises:
        TokenRefused: it is no JSON object, or says what is never honoured.
    """
    try:
        header = read_object(decode(segment))
    except ValueError:
        raise TokenRefused("invalid", "the header is not a JSON object") from None
    if not FORBIDDEN_HEADERS.isdisjoint(header):
        raise TokenRefused("invalid", "a header parameter that is never honoured")
    return header
