"""The errors of grants other than a refresh token."""

from enum import StrEnum
from typing import ClassVar

from .errors import AuthError


class AssertionProblem(StrEnum):
    """Why an assertion opens no session; part of the answer."""

    MALFORMED = "malformed"
    INCOMPLETE = "incomplete"
    UNTRUSTED_ISSUER = "untrusted_issuer"
    ALGORITHM = "algorithm"
    FORGED = "forged"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    TOO_OLD = "too_old"
    TOO_EARLY = "too_early"
    UNPROVEN = "unproven"
    REPLAYED = "replayed"
    UNKNOWN_USER = "unknown_user"
    USER_DISABLED = "user_disabled"
    USERNAME_TAKEN = "username_taken"


class InvalidAssertion(AuthError):
    """An assertion opens no session (RFC 7523 §3.1). Nothing is spent, nobody is created.

    Args:
        reason: for programs.
        problem: for developers; it does not quote the assertion.
    """

    code = "invalid_grant"

    def __init__(self, reason: AssertionProblem, problem: str) -> None:
        super().__init__(f"{reason.value}: {problem}")
        self.reason = reason.value
        self.description = f"The assertion is invalid: {problem}."


class CodeProblem(StrEnum):
    """Why a session code opens no session; part of the answer."""

    MALFORMED = "malformed"
    EXPIRED = "expired"
    ORIGIN = "origin"
    REPLAYED = "replayed"
    UNKNOWN_USER = "unknown_user"
    USER_DISABLED = "user_disabled"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, not a secret


class InvalidSessionCode(AuthError):
    """A session code is refused for good. Presenting a used code ends the session that it opened."""

    code = "invalid_grant"

    _DESCRIPTIONS: ClassVar[dict[CodeProblem, str]] = {
        CodeProblem.MALFORMED: "The session code was not issued here.",
        CodeProblem.EXPIRED: "The session code has expired.",
        CodeProblem.ORIGIN: "The session code is for a page of another origin.",
        CodeProblem.REPLAYED: "The session code was used before; its session is now revoked.",
        CodeProblem.UNKNOWN_USER: "The user of the session code is gone.",
        CodeProblem.USER_DISABLED: "The user of the session code is disabled.",
        CodeProblem.PASSWORD_CHANGED: "The user's password has changed since the session code was made.",
    }

    def __init__(self, reason: CodeProblem) -> None:
        super().__init__(reason.value)
        self.reason = reason.value
        self.description = self._DESCRIPTIONS[reason]


class IssuerUnavailable(AuthError):
    """The keys of an assertion's issuer cannot be fetched or used; nothing was opened."""

    status = 503
    code = "issuer_unavailable"
    description = "The keys of the assertion's issuer cannot be fetched."
    retry_after_s = 5
