"""What can go wrong here.

::

    ResourceError
    ├── StartProblem                 the service does not start: exit 2, one line per problem
    ├── KeySetRefused                a JWK Set that must not be used
    ├── FeedRefused                  the revocation feed did not answer, or something that makes no sense
    ├── Unavailable                  503: this verifier cannot say who is calling
    │   ├── KeysUnavailable
    │   └── RevocationsStale
    ├── CredentialsMissing           401, a bare challenge
    ├── TokenRefused                 401 invalid_token: expired, revoked or invalid
    │   └── UnknownKey               the key set may be older than the token
    └── InsufficientScope            403

``str(error)`` is for the log, and never holds a token, a part of one, or a key. What leaves the process is made from
the class and its public attributes alone.
"""

from typing import Literal

Reason = Literal["expired", "revoked", "invalid"]
"""What a caller may learn about a refused token: its ``error_description``."""


class ResourceError(Exception):
    """The base of every error that this package raises on purpose."""


class StartProblem(ResourceError):
    """Something that the operator must mend before the service can start."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class KeySetRefused(ResourceError):
    """A JWK Set that is malformed, unsafe, or not readable by this process alone."""


class FeedRefused(ResourceError):
    """No answer of the revocation feed, or one that is not what the protocol says.

    Attributes:
        cursor_refused: whether the feed did not know the cursor that it was asked about.
    """

    def __init__(self, detail: str, *, cursor_refused: bool = False) -> None:
        super().__init__(detail)
        self.cursor_refused = cursor_refused


class Unavailable(ResourceError):
    """No verdict is possible now. Not the caller's fault: an answer of 401 would log honest clients out."""


class KeysUnavailable(Unavailable):
    """There is no key to verify with, or none newer than those that do not know the token."""


class RevocationsStale(Unavailable):
    """The revocation feed has been silent for too long, and the policy is to refuse until it speaks again."""


class CredentialsMissing(ResourceError):
    """A request without a bearer token for a route that needs one."""


class TokenRefused(ResourceError):
    """An access token that must not be honoured."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason: Reason = reason


class UnknownKey(TokenRefused):
    """A token signed with a key that is not in the set: forged, or newer than the set."""

    def __init__(self) -> None:
        super().__init__("invalid", "no key in the set has this kid")


class InsufficientScope(ResourceError):
    """A good token that does not carry the scope which the route needs."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"needs the scope {scope}")
        self.scope = scope
