"""JWT assertions as authorization grants (RFC 7523 §2.1): read one, judge its claims, map them to a user. No I/O.

An ID token is one, too. What else its issuer signs with the same keys is not: access tokens, log-out tokens, proofs.
"""

import hashlib
from typing import Annotated, Any, Final, NamedTuple

from pydantic import StringConstraints, TypeAdapter, ValidationError

from ..grant_errors import AssertionProblem, InvalidAssertion
from .accounts import Change, changed
from .foreign_keys import KIND_OF, OTHER_NAMES
from .jwk import MAX_KID_CHARACTERS
from .jws import FORBIDDEN_HEADERS, Jws, numeric_date, read_jws
from .models import Credentials
from .names import MAX_NAME, Email, NewName, Sub
from .trusted_issuers import TrustedIssuer

LEEWAY_MS: Final = 60_000
"""How far the issuer's clock may differ from ours (RFC 7523 §3, items 4 to 6)."""
TYPES: Final = (None, "jwt", "authorization-grant+jwt")
"""``typ``, in lower case and the short form (RFC 7515 §4.1.9). Any other is of another token (RFC 8725 §3.11)."""
MAX_METHODS: Final = 8

Method = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,32}$")]
"""A word of ``amr``."""
_SUB, _NAME, _EMAIL = TypeAdapter[str](Sub), TypeAdapter[str](NewName), TypeAdapter[str](Email)
_METHODS = TypeAdapter(tuple[Method, ...])


class Assertion(NamedTuple):
    """An assertion that nothing is known of but its form."""

    jws: Jws
    alg: str
    kid: str | None
    issuer: str

    @property
    def digest(self) -> str:
        """What the assertion is remembered by: of what was signed, for a signature may have several spellings."""
        return hashlib.sha256(self.jws.signing_input).hexdigest()


class Asserted(NamedTuple):
    """What a good assertion says of a log-in. Times in milliseconds since the epoch.

    Attributes:
        sub: of the user, here.
        claims: all of them.
        counts_until: when the assertion is refused for its age alone.
        authenticated_at: when the user logged in there: at ``iat`` at the latest.
        amr: how, in the words of RFC 8176 §2; nothing if it does not say so in a usable form.
    """

    sub: str
    claims: dict[str, Any]
    counts_until: int
    authenticated_at: int
    amr: tuple[str, ...]


def read_assertion(text: str) -> Assertion:
    """Read an assertion, without believing anything of it.

    Raises:
        InvalidAssertion: it is none. The message quotes nothing of it.
    """
    try:
        jws = read_jws(text)
    except ValueError as problem:
        raise InvalidAssertion(AssertionProblem.MALFORMED, str(problem)) from None
    typ, alg, kid = (jws.header.get(name) for name in ("typ", "alg", "kid"))
    if not FORBIDDEN_HEADERS.isdisjoint(jws.header) or "jwk" in jws.header:
        raise InvalidAssertion(AssertionProblem.MALFORMED, "it has a header parameter that is never honoured")
    if not isinstance(alg, str) or OTHER_NAMES.get(alg, alg) not in KIND_OF:
        raise InvalidAssertion(AssertionProblem.ALGORITHM, f"its alg is none of {', '.join(KIND_OF)}")
    if not (kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID_CHARACTERS)):
        raise InvalidAssertion(AssertionProblem.MALFORMED, "its kid is not a text of a kid's length")
    short = typ.lower().removeprefix("application/") if isinstance(typ, str) else typ
    if short not in TYPES or _is_something_else(jws.payload):
        raise InvalidAssertion(AssertionProblem.MALFORMED, "it is a token for something else")
    issuer = jws.payload.get("iss")
    if not isinstance(issuer, str):
        raise InvalidAssertion(AssertionProblem.INCOMPLETE, "iss is missing")
    return Assertion(jws, OTHER_NAMES.get(alg, alg), kid, issuer)


def _is_something_else(claims: dict[str, Any]) -> bool:
    # A log-out or security event token (RFC 8417 §2); and what Keycloak signs beside ID tokens, all of one header.
    return "events" in claims or claims.get("typ") not in (None, "ID")


def judge(assertion: Assertion, entry: TrustedIssuer, now: int, jkt: str | None) -> Asserted:
    """Say what *assertion* says, if its claims are good (RFC 7523 §3). Its signature is not looked at.

    Args:
        assertion: as it was read.
        entry: of its issuer.
        now: milliseconds since the epoch.
        jkt: the thumbprint of the key that the request proves, or None.

    Raises:
        InvalidAssertion: with what is wrong.
    """
    claims = assertion.jws.payload
    if assertion.alg not in entry.algorithms:
        raise InvalidAssertion(AssertionProblem.ALGORITHM, "its issuer may not sign with its alg")
    _require_audience(claims.get("aud"), entry)
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    stale_at = issued_at + entry.max_age_s * 1000
    if now >= expires_at + LEEWAY_MS:
        raise InvalidAssertion(AssertionProblem.EXPIRED, "it has expired")
    if now >= stale_at + LEEWAY_MS:
        raise InvalidAssertion(AssertionProblem.TOO_OLD, f"it was issued more than {entry.max_age_s} s ago")
    begins_at = 0 if claims.get("nbf") is None else _time(claims, "nbf")
    if now < max(issued_at, begins_at) - LEEWAY_MS:
        raise InvalidAssertion(AssertionProblem.TOO_EARLY, "iat or nbf is in the future")
    if "cnf" in claims and (jkt is None or claims["cnf"] != {"jkt": jkt}):
        raise InvalidAssertion(AssertionProblem.UNPROVEN, "it is bound to a key that the request does not prove")
    logged_in_at = numeric_date(claims.get("auth_time"))
    return Asserted(
        sub=_sub(claims, entry),
        claims=claims,
        counts_until=min(expires_at, stale_at) + LEEWAY_MS,
        authenticated_at=issued_at if logged_in_at is None else min(logged_in_at, issued_at),
        amr=_methods(claims.get("amr")),
    )


def _require_audience(aud: object, entry: TrustedIssuer) -> None:
    """Return if the assertion is for this service alone: another audience could present it (OIDC Core §3.1.3.7)."""
    named = aud if isinstance(aud, list) else [aud]
    if not named or not all(isinstance(each, str) for each in named):
        raise InvalidAssertion(AssertionProblem.INCOMPLETE, "aud is missing, or not strings")
    if not set(named) <= set(entry.audience):
        raise InvalidAssertion(AssertionProblem.AUDIENCE, "its aud names others")


def _time(claims: dict[str, Any], name: str) -> int:
    time = numeric_date(claims.get(name))
    if time is None:
        raise InvalidAssertion(AssertionProblem.INCOMPLETE, f"{name} is missing, or not a time")
    return time


def _sub(claims: dict[str, Any], entry: TrustedIssuer) -> str:
    sub = claims.get("sub")
    if not isinstance(sub, str) or not sub:
        raise InvalidAssertion(AssertionProblem.INCOMPLETE, "sub is missing")
    return _valid(_SUB, entry.sub_of(sub), f"sub, with what stands before it, is no text of {MAX_NAME} characters")


def _valid(adapter: TypeAdapter[str], value: object, problem: str) -> str:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        raise InvalidAssertion(AssertionProblem.INCOMPLETE, problem) from None


def _methods(amr: object) -> tuple[str, ...]:
    try:
        return _METHODS.validate_python(amr)[:MAX_METHODS]
    except ValidationError:
        return ()


def new_account(asserted: Asserted, entry: TrustedIssuer, now: int) -> Credentials:
    """Return the account of a new user. An address is used only if the issuer has verified it.

    Raises:
        InvalidAssertion: a claim that the entry takes is missing.
    """
    claims, members = asserted.claims, {"scope": entry.scope}
    if entry.username is not None:
        problem = f"{entry.username} is not a user name"
        members["username"] = _valid(_NAME, claims.get(entry.username), problem)
    else:
        members["username"] = _valid(_NAME, asserted.sub, "sub is not a user name, and the entry has no username")
    # Apple writes the boolean as a text.
    is_verified = claims.get("email_verified") is True or claims.get("email_verified") == "true"
    if is_verified and claims.get("email") is not None:
        members["email"] = _valid(_EMAIL, claims.get("email"), "email is no address")
    return changed(None, asserted.sub, Change(members, replaces=True), now)
