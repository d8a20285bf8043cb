"""The claims of an access token, typed."""

from dataclasses import dataclass, field
from typing import Any

from resource_service.errors import TokenRefused

NUMERIC_DATE_LIMIT = 2**53
"""Integers from here on do not survive every JSON parser (RFC 7493 §2.2): no clock needs them."""

TEXT_LIMIT = 1024
"""Characters; longer identifiers are nobody's."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who calls, and what they may do. Exists only for tokens that passed every check.

    Attributes:
        sid: the session; revoking it refuses every token that carries it.
        iat: issued at, seconds since the epoch; so is ``exp``, the moment of expiry.
        scope: space-separated scopes; ``scopes`` holds them as a set.

    Source: RFC 9068 §2.2; RFC 7519 §4.1.
    """

    iss: str
    aud: tuple[str, ...]
    sub: str
    sid: str
    iat: int
    exp: int
    nbf: int | None = None
    scope: str = ""
    client_id: str | None = None
    jti: str | None = None
    username: str | None = None
    email: str | None = None
    scopes: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scopes", frozenset(self.scope.split(" ")) - {""})


def read_claims(members: dict[str, Any]) -> Claims:
    """Give each claim its type; unknown members are ignored (RFC 7519 §4).

    Raises:
        TokenRefused: a required claim is missing, or a claim is not of its type.
    """
    return Claims(
        iss=_text(members, "iss"),
        aud=_audience(members.get("aud")),
        sub=_text(members, "sub"),
        sid=_text(members, "sid"),
        iat=_numeric_date(members, "iat"),
        exp=_numeric_date(members, "exp"),
        nbf=_numeric_date(members, "nbf") if "nbf" in members else None,
        scope=_text(members, "scope", empty=True) if "scope" in members else "",
        client_id=_optional_text(members, "client_id"),
        jti=_optional_text(members, "jti"),
        username=_optional_text(members, "username"),
        email=_optional_text(members, "email"),
    )


def _text(members: dict[str, Any], name: str, *, empty: bool = False) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not (value or empty) or len(value) > TEXT_LIMIT:
        raise TokenRefused("invalid", f"claim {name} is missing or not a text of at most {TEXT_LIMIT} characters")
    try:
        # JSON can spell lone surrogates, which no encoder downstream could write.
        value.encode()
    except UnicodeEncodeError:
        raise TokenRefused("invalid", f"claim {name} is not Unicode text") from None
    return value


def _optional_text(members: dict[str, Any], name: str) -> str | None:
    return _text(members, name) if members.get(name) is not None else None


def _audience(value: Any) -> tuple[str, ...]:
    audience = [value] if isinstance(value, str) else value
    if not isinstance(audience, list) or not audience or not all(isinstance(name, str) for name in audience):
        raise TokenRefused("invalid", "claim aud is missing or not a text or a list of texts")
    return tuple(audience)


def _numeric_date(members: dict[str, Any], name: str) -> int:
    value = members.get(name)
    # bool is an int to Python, and no date to anybody.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < NUMERIC_DATE_LIMIT:
        raise TokenRefused("invalid", f"claim {name} is missing or not a whole number of seconds since the epoch")
    return value
