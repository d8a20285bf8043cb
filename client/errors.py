"""What can go wrong, as types.

::

    ClientError
    ├── ConfigurationError       an address or option that cannot work or would expose tokens (also a ValueError)
    ├── InvalidCredentials       login: the auth service knows no such user and password
    ├── LoginRequired            there is no session, or it has ended: ``reason`` says why; only a login helps
    ├── AuthUnavailable          network, timeout, 429, 5xx: nothing is lost, try again (``retry_after``)
    │   └── RefreshUnavailable       the same, from a refresh
    ├── AuthRejected             an answer of the auth service that makes no sense: a matter for its operator
    │   └── RefreshRejected          the same, from a refresh
    ├── NotReplayable            a 401 met a body that cannot be sent twice: make the body anew and repeat the call
    └── StorageError             the stored tokens cannot be read or kept

No message holds a token, a password or a body.
"""

import copy
from typing import Self


class ClientError(Exception):
    """Base of everything that this package raises on purpose."""

    def copy_for_raise(self) -> Self:
        """Return a copy to raise.

        One instance raised in ten thousand tasks would collect ten thousand tracebacks.
        """
        twin = copy.copy(self)
        twin.__cause__ = self.__cause__
        return twin


class ConfigurationError(ClientError, ValueError):
    """An address or option that cannot work, or that would expose tokens."""


class InvalidCredentials(ClientError):
    """The auth service knows no such user and password."""


class LoginRequired(ClientError):
    """There is no session, or it has ended.

    Attributes:
        reason: ``no_session`` (never logged in here), ``logged_out``, or the ``reason`` of the auth service's
            ``invalid_grant``: ``expired``, ``revoked``, ``reused``, ``unknown``, ``malformed``; or ``key_lost``: the
            session is bound to a key that is not here any more.
    """

    def __init__(self, reason: str = "no_session") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"login required: {self.reason}"


class AuthUnavailable(ClientError):
    """The auth service could not be reached, or asked to be left alone for a while. Nothing is lost.

    Attributes:
        retry_after: seconds that the service asked to wait (RFC 9110 §10.2.3), or None.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message, retry_after)
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        return self.message


class RefreshUnavailable(AuthUnavailable):
    """A refresh found no auth service to talk to. The session goes on when it is back."""


class AuthRejected(ClientError):
    """The auth service answered something that makes no sense."""


class RefreshRejected(AuthRejected):
    """A refresh got an answer that makes no sense. The session is kept; the next try repeats the same request."""


class NotReplayable(ClientError):
    """A 401 met a body that cannot be sent twice. The token has been renewed: make the body anew and repeat."""


class StorageError(ClientError):
    """The stored tokens cannot be read or kept."""
