"""The errors of the client.

::

    ClientError
    ├── ConfigurationError       an address or option that cannot work or would expose tokens (also a ValueError)
    ├── InvalidCredentials       login: unknown user or wrong password
    ├── LoginRequired            there is no session, or it has ended: ``reason`` says why; only a login helps
    ├── AuthUnavailable          network, timeout, 408, 425, 429, 5xx: nothing is lost, try again (``retry_after``)
    │   └── RefreshUnavailable       the same, from a refresh
    ├── AuthRejected             the auth service's answer makes no sense: its operator must fix it
    │   └── RefreshRejected          the same, from a refresh
    ├── NotReplayable            a 401 met a body that cannot be sent twice: create the body again and repeat the call
    └── StorageError             tokens cannot be read or stored

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
    """Unknown user or wrong password."""


class LoginRequired(ClientError):
    """There is no session, or it has ended.

    Attributes:
        reason: ``no_session`` (never logged in here), ``logged_out``, or the ``reason`` of the auth service's
            ``invalid_grant``: ``expired``, ``revoked``, ``reused``, ``unknown``, ``malformed``; or ``key_lost``: the
            session is bound to a key that has been lost.
    """

    def __init__(self, reason: str = "no_session") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"login required: {self.reason}"


class AuthUnavailable(ClientError):
    """The auth service could not be reached, or asked clients to wait. Nothing is lost.

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
    """A refresh could not reach the auth service. The session continues when it is back."""


class AuthRejected(ClientError):
    """The auth service's answer makes no sense."""


class RefreshRejected(AuthRejected):
    """A refresh got an answer that makes no sense. The session is kept; the next try repeats the same request."""


class NotReplayable(ClientError):
    """A 401 met a body that cannot be sent twice. The token has been refreshed: create the body again and repeat."""


class StorageError(ClientError):
    """Tokens cannot be read or stored."""
