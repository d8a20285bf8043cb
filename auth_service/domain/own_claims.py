"""The claims that a user's or a session's row adds to each access token, as compact JSON text.

They are checked when they are set, so that a token is minted by joining texts: nothing is parsed at a refresh.
"""

import json
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

MAX_BYTES = 2048
"""Of a user's claims, as compact JSON in UTF-8."""
MAX_INTEGER = 2**53 - 1
"""A larger one does not survive every JSON parser (RFC 7493 §2.2)."""
_MAX_DEPTH = 8
_MOST_DIGITS = 100

# RFC 7519 §4.1.
_REGISTERED = ("iss", "sub", "aud", "exp", "nbf", "iat", "jti")
# What this service says of the user and the session: RFC 9068 §2.2.
_SAID_HERE = ("sid", "client_id", "scope", "username", "email", "auth_time", "amr")
# What verifiers give a meaning of security: RFC 9068 §2.2.1, RFC 7800 §3.1, RFC 8693 §4, RFC 9396 §9, RFC 8417 §2.
_BINDING = ("acr", "cnf", "act", "may_act", "authorization_details", "events", "toe", "txn")
# What would make it look like an ID token: OpenID Connect Core §2.
_OF_ID_TOKENS = ("azp", "nonce", "at_hash", "c_hash")
# What the answer to an introspection says beside the claims: RFC 7662 §2.2.
_OF_INTROSPECTION = ("active", "token_type")
RESERVED = frozenset((*_REGISTERED, *_SAID_HERE, *_BINDING, *_OF_ID_TOKENS, *_OF_INTROSPECTION))
"""Reserved names, in upper or lower case: Go's JSON reads ``SUB`` as ``sub``, and takes the last of two."""


def text_of_claims(claims: dict[str, Any]) -> str | None:
    """Return the compact JSON text of a user's claims; None where there are none.

    Raises:
        ValueError: a name is reserved, a value is no JSON that every parser reads alike, or the text is too long.
    """
    for name in claims:
        if not name or name.casefold() in RESERVED:
            raise ValueError(f"the name {name!a} is reserved" if name else "a name is empty")
    _require_portable(claims, _MAX_DEPTH)
    try:
        text = to_json(claims)
    except (PydanticSerializationError, UnicodeEncodeError):
        raise ValueError("a text is not Unicode") from None
    if len(text) > MAX_BYTES:
        raise ValueError(f"take {len(text)} bytes as JSON, of {MAX_BYTES} that are allowed")
    return text.decode() if claims else None


def read_object(text: str) -> dict[str, Any]:
    """Return the JSON object that somebody wrote. Raises: ValueError: it is none, or has a member twice."""
    try:
        claims = json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError:
        raise ValueError("not a JSON object") from None
    if not isinstance(claims, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error type for everything that the text can be
    return claims


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _integer(digits: str) -> int:
    # With more it is too large all the same, and of thousands Python raises an error of its own.
    return int(digits[:_MOST_DIGITS])


def _require_portable(value: object, depth: int) -> None:
    """Return if every JSON parser reads *value* alike. Raises: ValueError."""
    if depth < 0:
        raise ValueError(f"are nested more than {_MAX_DEPTH} deep")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _require_portable(each, depth - 1)
    elif isinstance(value, float) and value - value != 0:
        raise ValueError("NaN and Infinity are not JSON")
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise ValueError("an integer is beyond 2^53 - 1 (RFC 7493 §2.2)")


def claims_of(text: str | None) -> dict[str, Any]:
    """Return the claims of such a text."""
    claims: dict[str, Any] = from_json(text) if text else {}
    return claims


def joined(own: bytes, *more: str | None) -> bytes:
    """Return the JSON object *own* with the members of other objects behind its own. All are compact, none is empty."""
    return own[:-1] + b"".join(b"," + text[1:-1].encode() for text in more if text) + b"}"
