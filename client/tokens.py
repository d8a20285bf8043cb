"""A pair of tokens, and how long it is good for."""

from dataclasses import dataclass, field
from typing import Final

BACKGROUND_FRACTION: Final = 0.1  # of a token's life: renewed ahead of expiry, nobody waits
BACKGROUND_MAX_S: Final = 60.0
MIN_USE_S: Final = (
    1.0  # a token that just came is not renewed for its age: a burst costs one refresh, whatever its life
)


@dataclass(frozen=True, slots=True)
class User:
    """Whose session it is."""

    username: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens as the auth service answered it.

    Attributes:
        expires_in: seconds of the access token's life from *obtained_at*; None if the service did not say.
        refresh_expires_in: the same for the refresh token.
        scope: space-separated (RFC 6749 §3.3).
        obtained_at: seconds since the epoch by this machine's clock, when the request was sent. For people and for
            other processes only: this process counts on its monotonic clock.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    obtained_at: float
    expires_in: float | None = None
    refresh_expires_in: float | None = None
    scope: str = ""
    user: User | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Lease:
    """Tokens with their deadlines on the monotonic clock, in seconds.

    ``renew_at <= expires_at``; between the two one background refresh runs while callers go on with this token.
    """

    tokens: Tokens
    renew_at: float
    expires_at: float


def lease(tokens: Tokens, *, now: float, age: float) -> Lease:
    """Say how long *tokens* may be used. No I/O.

    Args:
        tokens: as answered.
        now: the monotonic clock.
        age: seconds since the tokens were asked for: the round trip, or what the storage says.
    """
    if tokens.expires_in is None:  # RFC 6749 §5.1 allows that: only a 401 will tell
        return Lease(tokens, float("inf"), float("inf"))
    left = max(tokens.expires_in - max(age, 0.0), 0.0)
    margin = min(tokens.expires_in * BACKGROUND_FRACTION, BACKGROUND_MAX_S)
    expires_at = now + max(left, MIN_USE_S)
    return Lease(tokens, max(expires_at - margin, now), expires_at)


def stored_lease(tokens: Tokens, *, now: float, wall: float) -> Lease:
    """Say how long *tokens* that another process may have stored can be used. No I/O.

    A wall clock that jumped makes this too short (one refresh more) or too long (a 401, then a refresh): never wrong
    for good. A stored token gets no grace when it has run out.

    Args:
        tokens: as stored.
        now: the monotonic clock.
        wall: seconds since the epoch.
    """
    age = max(wall - tokens.obtained_at, 0.0)
    if tokens.expires_in is not None and age >= tokens.expires_in:
        return Lease(tokens, now, now)
    return lease(tokens, now=now, age=age)
