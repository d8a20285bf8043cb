"""A pair of tokens, and how long it is good for."""

import re
from dataclasses import dataclass, field
from typing import Final

BACKGROUND_FRACTION: Final = 0.1  # of a token's life: renewed ahead of expiry, nobody waits
BACKGROUND_MAX_S: Final = 60.0
MIN_USE_S: Final = 1.0  # a token that just came is not renewed for its age: a burst costs one refresh, however short
MAX_LIFE_S: Final = 100 * 365 * 86400.0  # beyond that dates cannot be shown
MAX_TOKEN: Final = 16 * 1024
# RFC 6750 §2.1, b64token: what may stand in a header. Anything else could smuggle a second header in.
BEARER_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
OPAQUE_TOKEN: Final = re.compile(r"[\x21-\x7e]+")  # RFC 6749 §A.17, less the space
COOL_DOWN_S: Final = 60.0  # a token that came so short a time ago, and is refused, would not be mended by another


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
            other processes only: this process counts on a clock that nobody sets.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    obtained_at: float
    expires_in: float | None = None
    refresh_expires_in: float | None = None
    scope: str = ""
    user: User | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TimedTokens:
    """Tokens with their deadlines, in seconds of a clock that runs while the machine sleeps.

    ``renew_at <= expires_at``; between the two one background refresh runs while callers go on with this token.

    Attributes:
        asked_at: when they were asked for.
    """

    tokens: Tokens
    asked_at: float
    renew_at: float
    expires_at: float

    def is_fresh(self, now: float) -> bool:
        """Tell whether they came less than :data:`COOL_DOWN_S` ago, and have not run out by their own life."""
        life_s = COOL_DOWN_S if self.tokens.expires_in is None else self.tokens.expires_in
        return now - self.asked_at < min(life_s, COOL_DOWN_S)


def timed(tokens: Tokens, *, now: float, age: float) -> TimedTokens:
    """Say how long *tokens* may be used. No I/O.

    Args:
        tokens: as answered.
        now: by a clock that runs while the machine sleeps.
        age: seconds since the tokens were asked for: the round trip, or what the storage says.
    """
    age = max(age, 0.0)
    if tokens.expires_in is None:  # RFC 6749 §5.1 allows that: only a 401 will tell
        return TimedTokens(tokens, now - age, float("inf"), float("inf"))
    left = max(tokens.expires_in - age, 0.0)
    margin = min(tokens.expires_in * BACKGROUND_FRACTION, BACKGROUND_MAX_S)
    expires_at = now + max(left, MIN_USE_S)
    return TimedTokens(tokens, now - age, max(expires_at - margin, now), expires_at)


def timed_from_storage(tokens: Tokens, *, now: float, wall: float) -> TimedTokens:
    """Say how long *tokens* that another process may have stored can be used. No I/O.

    A wall clock that jumped makes this too short (one refresh more) or too long (a 401, then a refresh): never wrong
    for good. A stored token gets no grace when it has run out.

    Args:
        tokens: as stored.
        now: by a clock that runs while the machine sleeps.
        wall: seconds since the epoch.
    """
    age = max(wall - tokens.obtained_at, 0.0)
    if tokens.expires_in is not None and age >= tokens.expires_in:
        return TimedTokens(tokens, now - age, now, now)
    return timed(tokens, now=now, age=age)
