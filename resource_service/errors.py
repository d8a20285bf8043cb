"""The errors of the resource service.

::

    ResourceError
    ├── KeySetRefused                a JWK Set that must not be used
    ├── FeedRefused                  the revocation feed sent no answer, or a malformed one
    ├── Unavailable                  503: this verifier cannot judge the token
    │   ├── KeysUnavailable
    │   └── RevocationsStale
    ├── CredentialsMissing           401, a challenge without error
    ├── TokenRefused                 401 invalid_token: expired, revoked or invalid
    │   ├── UnknownKey               the key set may be older than the token
    │   └── RefreshTokenPresented    not an access token at all
    └── InsufficientScope            403

``str(error)`` is for the log, and never holds a token, a part of one, or a key. Answers are built only from the class
and its public attributes.
"""

from typing import Literal

Reason = Literal["expired", "revoked", "invalid"]
"""What a caller learns about a refused token: its ``error_description``."""


class ResourceError(Exception):
    """The base of every error that this package raises on purpose.

    Attributes:
        outcome: the outcome of the request in one word, for metrics, logs and the end of a stream.
    """

    outcome: str = "unavailable"


class KeySetRefused(ResourceError):
    """A JWK Set that is malformed, unsafe, or not readable by this process alone."""


class FeedRefused(ResourceError):
    """The revocation feed sent no answer, or one that violates the protocol.

    Attributes:
        cursor_refused: whether the feed rejected the cursor.
    """

    def __init__(self, detail: str, *, cursor_refused: bool = False) -> None:
        super().__init__(detail)
        self.cursor_refused = cursor_refused


class Unavailable(ResourceError):
    """No verdict is possible now. Not the caller's fault: a 401 would log honest clients out."""


class KeysUnavailable(Unavailable):
    """There is no key to verify with, or the keys may be older than the token."""


class RevocationsStale(Unavailable):
    """The revocation feed has been silent for too long, and the policy is to refuse until it answers."""


class CredentialsMissing(ResourceError):
    """A request without a bearer token for a route that needs one."""

    outcome = "missing"


class TokenRefused(ResourceError):
    """An access token that must not be accepted."""

    hint: str | None = None
    """What the answer's body says instead of the reason, for developers."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.outcome = reason


class RefreshTokenPresented(TokenRefused):
    """A refresh token of dualtoken where an access token is needed."""

    hint = "this is a refresh token: exchange it at the auth service (POST /refresh), and send the access_token"

    def __init__(self) -> None:
        super().__init__("invalid", "a refresh token")


class UnknownKey(TokenRefused):
    """A token signed with a key that is not in the set: forged, or newer than the set."""

    def __init__(self) -> None:
        super().__init__("invalid", "no key in the set has this kid")


class InsufficientScope(ResourceError):
    """A good token without the scope that the route needs, or, if that is None, without the claims."""

    outcome = "insufficient_scope"

    def __init__(self, scope: str | None) -> None:
        super().__init__(f"needs the scope {scope}" if scope else "needs other claims")
        self.scope = scope
