"""A signed JWT in compact form (RFC 7515 §7.1), parsed unambiguously. No I/O, no verification."""

import binascii
import json
import re
from typing import Any, Final, NamedTuple

import jwt
from jwt import PyJWK

PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 §6
FORBIDDEN_HEADERS: Final = frozenset({"crit", "b64", "jku", "x5u", "x5c", "zip", "enc"})
"""Parameters that are never honoured: they bring keys, or change what the rest means."""

_ED25519_P: Final = 2**255 - 19
_ORDER_8_Y: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_LOW_ORDER_Y: Final = frozenset({0, 1, _ED25519_P - 1, _ORDER_8_Y, _ED25519_P - _ORDER_8_Y})
"""The y of the eight points whose order divides 8: anybody can make a signature for such a key."""
# base64url of whole bytes in its one spelling: what decoding would drop of the last character is zero (RFC 4648 §3.5).
LAST_OF_1: Final = r"[\w-][AQgw]"
LAST_OF_2: Final = r"[\w-]{2}[AEIMQUYcgkosw048]"
SEGMENT: Final = rf"(?:[\w-]{{4}})*(?:{LAST_OF_1}|{LAST_OF_2})?"
"""Of a compact JWS, for a pattern with ``re.ASCII``."""
_COMPACT: Final = re.compile(rf"({SEGMENT})\.({SEGMENT})\.({SEGMENT})", re.ASCII)
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


class Jws(NamedTuple):
    """The signed content and its signature, not yet checked."""

    header: dict[str, Any]
    payload: dict[str, Any]
    signing_input: bytes
    signature: bytes


def read_jws(token: str) -> Jws:
    """Take a token apart.

    Raises:
        ValueError: it is no such token. The message quotes nothing of it.
    """
    found = _COMPACT.fullmatch(token)
    if found is None or not all(found.groups()):
        raise ValueError("it is not a signed JWT in compact form")
    header, payload, signature = map(decoded, found.groups())
    return Jws(read_object(header), read_object(payload), token[: found.end(2)].encode(), signature)


def read_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object whose members stand once. Raises: ValueError: it is none."""
    try:
        value = _STRICT.decode(data.decode())
    except (ValueError, RecursionError):
        raise ValueError("its header or payload is not a JSON object") from None
    if not isinstance(value, dict):
        raise ValueError("its header or payload is not a JSON object")  # noqa: TRY004 - one type for all that it can be
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member appears twice")
    return members


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are not JSON


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)


def decoded(segment: str) -> bytes:
    """Return the bytes of base64url that matches ``SEGMENT``."""
    return binascii.a2b_base64(segment.encode().translate(_STANDARD) + b"==")


def numeric_date(value: object) -> int | None:
    """Return a NumericDate, which may have a fraction (RFC 7519 §2) as milliseconds; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return int(value * 1000)


def is_of_low_order(raw: bytes) -> bool:
    """Whether the Ed25519 key of these 32 bytes is one for which anybody can sign."""
    # The highest bit is the sign of the other coordinate, and a value may have p added to it: neither hides a point.
    return int.from_bytes(raw, "little") % 2**255 % _ED25519_P in _LOW_ORDER_Y


def is_signed_by(jwk: PyJWK, jws: Jws) -> bool:
    """Whether *jws* carries a signature by *jwk*, by the algorithm of the key."""
    try:
        return bool(jwk.Algorithm.verify(jws.signing_input, jwk.key, jws.signature))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
