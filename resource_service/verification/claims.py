"""The claims of an access token, typed."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

from ..errors import TokenRefused
from .strict_json import read_again

NUMERIC_DATE_LIMIT = 2**53
"""Integers from here on do not survive every JSON parser (RFC 7493 §2.2): no clock needs them."""

TEXT_LIMIT = 1024
"""Characters; no real identifier is longer. A scope may be: it is a list, and bounded by the token."""

REQUIRED_TEXTS = ("iss", "sub")
OPTIONAL_TEXTS = ("sid", "client_id", "jti", "username", "email")
REQUIRED_DATES = ("iat", "exp")
OPTIONAL_DATES = ("nbf", "auth_time")
_WITH_ATTRIBUTE = frozenset((*REQUIRED_TEXTS, *OPTIONAL_TEXTS, *REQUIRED_DATES, *OPTIONAL_DATES, "aud", "scope", "amr"))


class Claims:
    """Who calls, and what they may do. Exists only for tokens that passed every check.

    ``claims["tenant"]`` is a claim of the issuer's own, as JSON has it; so are ``claims.get("tenant")`` and
    ``"tenant" in claims``. What has an attribute is found by its name as well.

    Nothing is read of a remembered token before a handler asks: a million of them would not fit into memory as objects.

    Args:
        payload: the claims as JSON, which passed every check; or else
        known: the same, read.

    Source: RFC 9068 §2.2; RFC 7519 §4.1.
    """

    __slots__ = ("_known", "_payload")

    def __init__(self, payload: bytes, known: dict[str, Any] | None = None) -> None:
        self._payload, self._known = payload, known

    def _members(self) -> dict[str, Any]:
        known = self._known
        if known is None:
            known = self._known = read_again(self._payload)
        return known

    @property
    def iss(self) -> str:
        """The issuer."""
        return self._members()["iss"]  # type: ignore[no-any-return]  # as all below: checked when it was verified

    @property
    def aud(self) -> tuple[str, ...]:
        """The resources that it is for."""
        aud = self._members()["aud"]
        return (aud,) if isinstance(aud, str) else tuple(aud)

    @property
    def sub(self) -> str:
        """The user."""
        return self._members()["sub"]  # type: ignore[no-any-return]

    @property
    def sid(self) -> str | None:
        """The session; revoking it refuses every token that carries it. Not every issuer names it."""
        return self._members().get("sid")

    @property
    def iat(self) -> float:
        """When it was issued: seconds since the epoch, perhaps with a fraction."""
        return self._members()["iat"]  # type: ignore[no-any-return]

    @property
    def exp(self) -> float:
        """When it expires, likewise."""
        return self._members()["exp"]  # type: ignore[no-any-return]

    @property
    def nbf(self) -> float | None:
        """When it begins to be good, likewise."""
        return self._members().get("nbf")

    @property
    def scope(self) -> str:
        """The scopes, separated by spaces."""
        scope: str = self._members().get("scope") or ""
        return scope

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes."""
        return _scopes(self.scope)

    @property
    def client_id(self) -> str | None:
        """The client that it was issued to."""
        return self._members().get("client_id")

    @property
    def jti(self) -> str | None:
        """The token itself."""
        return self._members().get("jti")

    @property
    def username(self) -> str | None:
        """The user's name for log-in."""
        return self._members().get("username")

    @property
    def email(self) -> str | None:
        """The user's address."""
        return self._members().get("email")

    @property
    def auth_time(self) -> float | None:
        """When the user authenticated, seconds since the epoch; None where the issuer does not say."""
        return self._members().get("auth_time")

    @property
    def amr(self) -> tuple[str, ...]:
        """How (RFC 8176 §2), such as ``pwd``; empty likewise."""
        return tuple(self._members().get("amr") or ())

    @property
    def own(self) -> Mapping[str, Any]:
        """The claims that have no attribute. Requests with one token share them: change nothing."""
        return {name: value for name, value in self._members().items() if name not in _WITH_ATTRIBUTE}

    def __getitem__(self, name: str) -> Any:
        """Return a claim; a list or an object is the caller's to change. Raises: KeyError: the token has none."""
        value = getattr(self, name) if name in _WITH_ATTRIBUTE else self._members().get(name)
        if value is None or value == ():
            raise KeyError(name)
        return deepcopy(value)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a claim, or *default* where the token has none."""
        try:
            return self[name]
        except KeyError:
            return default

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __eq__(self, other: object) -> bool:
        return self._members() == other._members() if isinstance(other, Claims) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.iss, self.sub, self.iat, self.jti))

    def __repr__(self) -> str:
        return f"Claims({self._members()!r})"


@lru_cache(256)
def _scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" ")) - {""}


def read_claims(members: dict[str, Any], payload: bytes = b"") -> Claims:
    """Check that each claim has its type; what this service does not know is the application's.

    Null is as left out: some issuers write what they have not.

    Raises:
        TokenRefused: a required claim is missing, a claim is not of its type, or the token is bound to a key (RFC 7800
            ``cnf``), which is not asked for here: to honour it as a bearer token would undo the binding.
    """
    if "cnf" in members:
        raise TokenRefused("invalid", "bound to a key of its holder")
    _check_texts_and_dates(members)
    if not isinstance(members.get("scope"), str | None):
        raise TokenRefused("invalid", "claim scope is not a text")
    aud = members.get("aud")
    if type(aud) is not str and (not aud or not _are_texts(aud)):
        raise TokenRefused("invalid", "claim aud is missing or not a text or a list of texts")
    amr = members.get("amr")
    if amr is not None and not _are_texts(amr):
        raise TokenRefused("invalid", "claim amr is not a list of texts")
    return Claims(payload, members)


def _check_texts_and_dates(members: dict[str, Any]) -> None:
    # The type itself is compared: bool is an int to Python, and no date to anybody.
    for name in REQUIRED_TEXTS:
        value = members.get(name)
        if type(value) is not str or not 0 < len(value) <= TEXT_LIMIT:
            _refuse_text(name)
    for name in OPTIONAL_TEXTS:
        value = members.get(name)
        if value is not None and (type(value) is not str or not 0 < len(value) <= TEXT_LIMIT):
            _refuse_text(name)
    for name in REQUIRED_DATES:
        _check_date(name, members.get(name))
    for name in OPTIONAL_DATES:
        value = members.get(name)
        if value is not None:
            _check_date(name, value)


def _refuse_text(name: str) -> None:
    raise TokenRefused("invalid", f"claim {name} is missing or not a text of at most {TEXT_LIMIT} characters")


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _check_date(name: str, value: Any) -> None:
    if (type(value) is not int and type(value) is not float) or not 0 <= value < NUMERIC_DATE_LIMIT:
        raise TokenRefused("invalid", f"claim {name} is missing or not a number of seconds since the epoch")
