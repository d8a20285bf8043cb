"""What the state machine drives: the rotation rule alone, or a store; and how the two are compared."""

from collections.abc import Sequence
from typing import Protocol

from dualtoken.auth_service.domain.models import Presented, RevocationReason, Session, User
from dualtoken.auth_service.domain.rotation import ADVANCING, GRANTED, Kind, Outcome, RotationPolicy, classify

POLICY = RotationPolicy(refresh_ttl=1_000, grace=10)
SESSION_TTL = 5_000
START = 1_000_000


class Backend(Protocol):
    """What is under test, as plain functions."""

    def open(self, now: int, jkt: str | None) -> Session: ...
    def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]: ...
    def row(self, session_id: str) -> Session: ...
    def restore(self, row: Session) -> None: ...
    def rows(self) -> int: ...


class Rule:
    """The rule alone: rows in a dictionary, a batch applied item by item."""

    def __init__(self) -> None:
        self._rows: dict[str, Session] = {}

    def open(self, now: int, jkt: str | None) -> Session:
        user, ends_at = User("u", "zs", "e", "read"), now + SESSION_TTL
        session = Session(f"s{len(self._rows)}", user, 0, now, None, now, ends_at, jkt=jkt)
        self._rows[session.id] = session
        return session

    def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]:
        outcomes = []
        for item in batch:
            self._rows[item.session_id], outcome = step(self._rows[item.session_id], item, now)
            outcomes.append(outcome)
        return take_back(batch, outcomes)

    def row(self, session_id: str) -> Session:
        return self._rows[session_id]

    def restore(self, row: Session) -> None:
        self._rows[row.id] = row

    def rows(self) -> int:
        return len(self._rows)


def step(row: Session, item: Presented, now: int) -> tuple[Session, Outcome]:
    """Return the row after one presentation, and its outcome."""
    outcome = classify(row, item, now, POLICY)
    if outcome.kind in ADVANCING:
        row = row._replace(generation=outcome.generation, rotated_at=now, idempotency_digest=item.idempotency_digest)
    if outcome.kind is Kind.REUSE:
        row = row._replace(revoked_at=now, revoked_reason=RevocationReason.REUSE.value)
    return row, outcome


def take_back(batch: Sequence[Presented], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Refuse what a batch was to be granted of a session that it ended."""
    ended = {item.session_id for item, outcome in zip(batch, outcomes, strict=True) if outcome.kind is Kind.REUSE}
    return [
        outcome._replace(kind=Kind.REVOKED) if item.session_id in ended and outcome.kind in GRANTED else outcome
        for item, outcome in zip(batch, outcomes, strict=True)
    ]


def brief(outcome: Outcome) -> tuple[object, ...]:
    """Return what must agree between two implementations."""
    return (outcome.kind, outcome.generation if outcome.kind in GRANTED else None, outcome.distance)
