"""Every way in which the auth service says no.

::

    AuthError
    ├── InvalidRequest            400 invalid_request
    │   └── NoToken                   the same, with the reason no_token
    ├── UnsupportedGrantType      400 unsupported_grant_type
    ├── InvalidGrant              400 invalid_grant, with a reason
    ├── InvalidCredentials        401 invalid_credentials
    ├── InvalidToken              401 invalid_token
    │   └── CredentialsMissing        401 missing_credentials
    ├── RequestTimeout            408 request_timeout
    ├── PayloadTooLarge           413 payload_too_large
    ├── UnsupportedMediaType      415 unsupported_media_type
    ├── TooManyAttempts           429 too_many_attempts, with Retry-After
    ├── Busy                      503 busy, with Retry-After
    └── Unavailable               503 unavailable, with Retry-After
    StartupError                  never leaves as an answer: the command line prints it and exits 2
"""

from enum import StrEnum
from typing import ClassVar


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
    """A page that may hold a cookie sent none, nor a body: it has no session."""

    reason = "no_token"

    def __init__(self) -> None:
        super().__init__("There is no refresh token, neither in the body nor in a cookie.")


class UnsupportedGrantType(AuthError):
    """``grant_type`` is not one that this endpoint serves (RFC 6749 §5.2)."""

    code = "unsupported_grant_type"
    description = "Only grant_type=refresh_token is served here."


class Reason(StrEnum):
    """Why a refresh token was refused; part of the answer."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    REUSED = "reused"


class InvalidGrant(AuthError):
    """The refresh token is refused, for good (RFC 6749 §5.2). ``forgets_cookie``: it came in one, now worthless."""

    code = "invalid_grant"

    _DESCRIPTIONS: ClassVar[dict[Reason, str]] = {
        Reason.MALFORMED: "The refresh token was not issued here.",
        Reason.UNKNOWN: "The session of this refresh token is not known.",
        Reason.EXPIRED: "The session of this refresh token has expired.",
        Reason.REVOKED: "The session of this refresh token was revoked.",
        Reason.REUSED: "This refresh token was spent before; its session is now revoked.",
    }

    forgets_cookie = False

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason.value
        self.description = self._DESCRIPTIONS[reason]


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


class CredentialsMissing(InvalidToken):
    """A call to this service came without a bearer token: its challenge names no error (RFC 6750 §3.1)."""

    code = "missing_credentials"
    description = "Send a token in the Authorization header, as Bearer."


class RequestTimeout(AuthError):
    """The body did not come in time (RFC 9110 §15.5.9)."""

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


class Busy(AuthError):
    """The queue in front of the password hashing is full."""

    status = 503
    code = "busy"
    description = "Too many log-ins at once."
    retry_after_s = 1


class Unavailable(AuthError):
    """The database cannot answer; nothing was changed as far as can be known."""

    status = 503
    code = "unavailable"
    description = "The service cannot reach its database."
    retry_after_s = 1


class StartupError(Exception):
    """A problem that keeps a command from starting; its text is one line that names the cause."""
