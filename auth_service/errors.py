"""The errors of the auth service.

::

    AuthError
    ├── InvalidRequest            400 invalid_request
    │   └── NoToken                   the same, with the reason no_token
    ├── UnsupportedGrantType      400 unsupported_grant_type
    ├── InvalidScope              400 invalid_scope
    ├── InvalidGrant              400 invalid_grant, with a reason
    ├── InvalidAssertion, InvalidSessionCode: 400 invalid_grant, with a reason (grant_errors.py)
    ├── InvalidDpopProof          400 invalid_dpop_proof
    ├── UseDpopNonce              400 use_dpop_nonce, with DPoP-Nonce
    ├── InvalidCredentials        401 invalid_credentials
    ├── InvalidToken              401 invalid_token
    │   └── CredentialsMissing        401 missing_credentials
    ├── InvalidClient             401 invalid_client
    ├── ForeignPage               403 foreign_page
    ├── RefreshNotByPost              405 method_not_allowed
    ├── UserDisabled              403 user_disabled
    ├── UnknownUser               404 unknown_user
    ├── RequestTimeout            408 request_timeout
    ├── UsernameTaken             409 username_taken
    ├── PreconditionFailed        412 precondition_failed
    ├── PayloadTooLarge           413 payload_too_large
    ├── UnsupportedMediaType      415 unsupported_media_type
    ├── TooManyAttempts           429 too_many_attempts, with Retry-After
    │   └── TooManyRequests           429 too_many_requests, likewise
    ├── Busy                      503 busy, with Retry-After
    ├── IssuerUnavailable         503 issuer_unavailable, with Retry-After (grant_errors.py)
    └── Unavailable               503 unavailable, with Retry-After
    StartupError                  never an answer: the command line prints it and exits 2
"""

from enum import StrEnum
from typing import ClassVar

from dualtoken_serving.errors import StartProblem


class AuthError(Exception):
    """``str(exc)`` is for the log; only the fields below leave the process."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_request"  # RFC 6749 §5.2
    description: str = "The request is malformed."
    reason: str | None = None
    retry_after_s: int | None = None


class InvalidRequest(AuthError):
    """The request lacks a member, repeats one, or is malformed otherwise (RFC 6749 §5.2)."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class NoToken(InvalidRequest):
    """A page sent neither a cookie nor a token in the body: it has no session."""

    reason = "no_token"

    def __init__(self) -> None:
        super().__init__("There is no refresh token, neither in the body nor in a cookie.")


class UnsupportedGrantType(AuthError):
    """The endpoint does not serve this ``grant_type`` (RFC 6749 §5.2); it serves *served*."""

    code = "unsupported_grant_type"

    def __init__(self, *served: str) -> None:
        super().__init__("not served")
        self.description = f"This grant_type is not served here; supported: {', '.join(served)}."


class InvalidScope(AuthError):
    """The scope exceeds the session's, or is malformed (RFC 6749 §5.2)."""

    code = "invalid_scope"
    description = "scope must be a part of the session's scope, space-delimited."


class Reason(StrEnum):
    """Why a refresh token was refused; part of the answer."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REUSED = "reused"


class InvalidGrant(AuthError):
    """The refresh token is refused for good (RFC 6749 §5.2). ``forgets_cookies``: the cookies that held it."""

    code = "invalid_grant"

    _DESCRIPTIONS: ClassVar[dict[Reason, str]] = {
        Reason.MALFORMED: "The refresh token was not issued here.",
        Reason.UNKNOWN: "The session of this refresh token is not known.",
        Reason.EXPIRED: "The session of this refresh token has expired.",
        Reason.REVOKED: "The session of this refresh token was revoked.",
        Reason.REUSED: "This refresh token was spent before; its session is now revoked.",
    }

    forgets_cookies: tuple[str, ...] = ()

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason.value
        self.description = self._DESCRIPTIONS[reason]


class InvalidDpopProof(AuthError):
    """A bound session was presented without a valid proof of its key (RFC 9449 §5). Nothing is spent, nothing ends.

    Args:
        problem: the fault of the proof, without quoting it.
        reason: ``unproven`` if there is no proof, or a valid one of another key.
    """

    code = "invalid_dpop_proof"

    def __init__(self, problem: str, *, reason: str | None = None) -> None:
        super().__init__(problem)
        self.description = f"The DPoP proof is invalid: {problem}."
        self.reason = reason


class UseDpopNonce(AuthError):
    """A proof is stale: the client must repeat the request with this nonce in a new one (RFC 9449 §8).

    Args:
        nonce: for the answer's header ``DPoP-Nonce``.
    """

    code = "use_dpop_nonce"
    description = "Repeat the request with a new DPoP proof that carries the nonce of the header DPoP-Nonce."

    def __init__(self, nonce: str) -> None:
        super().__init__("a stale proof")
        self.nonce = nonce


class InvalidCredentials(AuthError):
    """One answer for an unknown user, a disabled user and a wrong password."""

    status = 401
    code = "invalid_credentials"
    description = "User name or password is wrong."


class InvalidToken(AuthError):
    """The token of a call to this service is refused (RFC 6750 §3.1)."""

    status = 401
    code = "invalid_token"
    description = "A valid access token is needed."


class WrongSecret(InvalidToken):
    """The secret sent as a bearer token is wrong."""

    description = "The secret in the Authorization header is wrong."


class CredentialsMissing(InvalidToken):
    """A call to this service came without a bearer token: its challenge names no error (RFC 6750 §3.1)."""

    code = "missing_credentials"
    description = "Send a token in the Authorization header, as Bearer."


class InvalidClient(AuthError):
    """The secret in ``client_secret`` or HTTP Basic is refused (RFC 6749 §5.2)."""

    status = 401
    code = "invalid_client"
    description = "The service secret is needed: as Bearer, as the password of HTTP Basic, or as client_secret."


class ForeignPage(AuthError):
    """A web page of another origin made its visitor's browser send this."""

    status = 403
    code = "foreign_page"
    description = "The Origin of this page is not one of AUTH_CORS_ORIGINS."


class RefreshNotByPost(AuthError):
    """A refresh by another method, such as ``GET``: tokens in a URL end up in logs and histories."""

    status = 405
    code = "method_not_allowed"
    description = "Refresh by POST, with refresh_token in the body as JSON or a form: tokens never travel in a URL."


class UserDisabled(AuthError):
    """No session is opened for a disabled user."""

    status = 403
    code = "user_disabled"
    description = "The user is disabled."


class UnknownUser(AuthError):
    """There is no user with this ``sub``."""

    status = 404
    code = "unknown_user"
    description = "There is no user with this sub."


class UsernameTaken(AuthError):
    """Another user has this name."""

    status = 409
    code = "username_taken"
    description = "Another user has this username."


class PreconditionFailed(AuthError):
    """``If-Match`` or ``If-None-Match`` does not match the user (RFC 9110 §13.1), who was changed meanwhile."""

    status = 412
    code = "precondition_failed"
    description = "The user was changed meanwhile, exists already, or does not exist."


class RequestTimeout(AuthError):
    """The body did not arrive in time (RFC 9110 §15.5.9)."""

    status = 408
    code = "request_timeout"
    description = "The body took too long."


class PayloadTooLarge(AuthError):
    """The body exceeds the limit."""

    status = 413
    code = "payload_too_large"
    description = "The body is larger than 16 KiB."


class UnsupportedMediaType(AuthError):
    """The body is neither JSON nor a form."""

    status = 415
    code = "unsupported_media_type"
    description = "Send application/json or application/x-www-form-urlencoded."


class TooManyAttempts(AuthError):
    """Too many failed log-ins for this user name or from this address (RFC 6585 §4)."""

    status = 429
    code = "too_many_attempts"
    description = "Too many failed attempts."

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"retry after {retry_after_s} s")
        self.retry_after_s = retry_after_s


class TooManyRequests(TooManyAttempts):
    """Too many calls from this network, good or bad."""

    code = "too_many_requests"
    description = "Too many requests from this network."


class Busy(AuthError):
    """The queue in front of the password hashing is full."""

    status = 503
    code = "busy"
    description = "Too many concurrent logins."
    retry_after_s = 1


class Unavailable(AuthError):
    """The database cannot answer; normally nothing was changed."""

    status = 503
    code = "unavailable"
    description = "The service cannot reach its database."
    retry_after_s = 1


class ClockDiffers(Unavailable):
    """This machine's clock is implausible, so any token's age could be wrong."""

    description = "The clock of the service differs from its database's."


class StartupError(StartProblem):
    """A problem that prevents a command from starting; its text is one line that names the cause."""
