"""The revoked sessions that a verifier must know of. No I/O."""

import math
from collections.abc import Callable, KeysView

MARGIN_S = 60.0
"""Seconds that an entry is kept beyond the last use of a token: what a clock or a pause may be out by."""


def retention_s(access_ttl_s: float, leeway_s: float) -> float:
    """Return the seconds to remember a session for, where access tokens live for so long and are honoured past that."""
    return access_ttl_s + leeway_s + MARGIN_S


class RevokedSessions:
    """Session ids, each for as long as an access token issued before its revocation can live.

    Counted from when this process heard of it, on its own clock: no difference between the clocks of two
    machines can make an entry leave too early. Memory is bounded by what the feed tells in that time.

    Args:
        retention_s: seconds that an entry stays, see :func:`retention_s`.

    Attributes:
        known_until: by the follower's clock. Past it nobody knows who was revoked meanwhile; for ever, unless a
            follower of a feed says otherwise.
        on_revoked: called with each session when it is first heard of.
    """

    def __init__(self, retention_s: float) -> None:
        self.retention_s = retention_s
        self.known_until = math.inf
        self.on_revoked: Callable[[str], object] = _nobody_asks
        self._heard: dict[str, float] = {}

    @property
    def ids(self) -> KeysView[str]:
        """A live view: looking a session up in it is one dictionary look-up."""
        return self._heard.keys()

    def add(self, sid: str, now: float) -> None:
        """Refuse *sid* from now on. Hearing of it again changes nothing: no token was issued after the first time."""
        if sid not in self._heard:
            self._heard[sid] = now
            self.on_revoked(sid)

    def prune(self, now: float) -> None:
        """Forget what no living token can name."""
        oldest = now - self.retention_s
        gone = []
        for sid, heard in self._heard.items():  # in the order of hearing
            if heard > oldest:
                break
            gone.append(sid)
        for sid in gone:
            del self._heard[sid]


def _nobody_asks(_sid: str) -> None:
    """Do nothing."""
