"""The rotation rule: what it means to present a refresh token. Pure; the store applies it, tests enumerate it.

A session is at generation G. A token presents generation g.

==========================================================================  ========================================
the session is bound to a key, and no good proof of that key came           UNPROVEN: nothing, at any generation
g = G                                                                       ROTATE to g + 1
g > G, because a restore or failover lost the newest writes                 CATCH_UP: rotate to g + 1
g = G - 1, with the Idempotency-Key of the rotation that made G             RETRY: token G again, at any later time
g = G - 1, and the session is bound: its proof is the same client's         RETRY: likewise
g = G - 1, neither side sent a key, within the grace period                 RACE: token G again
any other g < G                                                             REUSE: the session ends
the same, but the asker has hung up                                         ABANDONED: nothing, for nobody
revoked, expired                                                            refused with that reason
==========================================================================  ========================================

RETRY and RACE never create a second live branch: they return the successor that exists.

ABANDONED is what becomes of a request that was delayed while its client hung up, retried through another process and
went on: late, it looks like a replay. A thief who hangs up gets no answer, and so gains nothing by it.

UNPROVEN comes first: whoever has stolen a bound token alone neither gains by it nor ends the session.

Source: RFC 9700 §4.14.2 (refresh token rotation); RFC 9449 §5 (bound refresh tokens); FAPI 2.0 Security Profile,
clause 10 (lost answers).
"""

import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from .models import Presented, Session

# The generation stands in 4 bytes of the token. At one rotation a second, a session would live for 136 years.
MAX_GENERATION = 2**32 - 1


class Kind(StrEnum):
    """What a presentation came to. The values are labels of events and metrics."""

    ROTATE = "rotated"
    CATCH_UP = "caught_up"
    RETRY = "retried"
    RACE = "raced"
    REUSE = "reused"
    ABANDONED = "abandoned"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    UNPROVEN = "unproven"


ADVANCING = frozenset({Kind.ROTATE, Kind.CATCH_UP})
GRANTED = ADVANCING | {Kind.RETRY, Kind.RACE}


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """Times in milliseconds. ``refresh_ttl`` counts from the last rotation; ``grace`` is for keyless clients."""

    refresh_ttl: int
    grace: int


class Outcome(NamedTuple):
    """What presenting a token came to.

    ``generation`` is that of the token to answer with, and means nothing unless the kind is in ``GRANTED``.
    ``distance`` is G - g before anything changed: 0 in the plain case, negative when catching up.
    ``session`` is the row as it stands now, or None when unknown.
    """

    kind: Kind
    generation: int = 0
    distance: int = 0
    session: Session | None = None


def classify(session: Session | None, presented: Presented, now: int, policy: RotationPolicy) -> Outcome:
    """Say what presenting a refresh token means. No I/O.

    Args:
        session: the row that the token names, or None if there is none.
        presented: the token, its MAC already verified.
        now: milliseconds since the epoch.
        policy: the life of a refresh token and the grace period.
    """
    if session is None:
        return Outcome(Kind.UNKNOWN)
    distance = session.generation - presented.generation
    if session.jkt is not None and not _is_proven(session.jkt, presented.jkt):
        return Outcome(Kind.UNPROVEN, distance=distance, session=session)
    if session.revoked_at is not None or session.user.disabled_at is not None:
        return Outcome(Kind.REVOKED, distance=distance, session=session)
    if is_expired(session, now, policy) or presented.generation >= MAX_GENERATION:
        return Outcome(Kind.EXPIRED, distance=distance, session=session)
    kind = _by_generation(session, presented, now, policy)
    answer = presented.generation + 1 if kind in ADVANCING else session.generation
    return Outcome(kind, answer, distance, session)


def _is_proven(bound_to: str, proven: str | None) -> bool:
    return proven is not None and hmac.compare_digest(bound_to, proven)


def is_expired(session: Session, now: int, policy: RotationPolicy) -> bool:
    """Whether the session ended by its idle time or by its absolute time."""
    return now >= session.expires_at or now >= session.rotated_at + policy.refresh_ttl


def _by_generation(session: Session, presented: Presented, now: int, policy: RotationPolicy) -> Kind:
    distance = session.generation - presented.generation
    if distance == 0:
        return Kind.ROTATE
    if distance < 0:
        return Kind.CATCH_UP
    if distance == 1:
        if session.jkt is not None:  # proven: see classify()
            return Kind.RETRY
        stored, sent = session.idempotency_digest, presented.idempotency_digest
        if stored is None and sent is None:
            # The distance in time, not the difference: replicas' clocks differ by a little in either direction.
            if abs(now - session.rotated_at) <= policy.grace:
                return Kind.RACE
        elif stored is not None and sent is not None and hmac.compare_digest(stored, sent):
            return Kind.RETRY
    return Kind.REUSE if presented.is_awaited() else Kind.ABANDONED
