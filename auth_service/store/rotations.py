"""The rotation rule, applied to a batch: one conditional UPDATE, then one SELECT … JOIN users, in one transaction.

The condition in the UPDATE makes the rule hold for any number of processes: of two that present one token, the second
finds the generation moved on. What did not advance is classified from the row as it then stands.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from ..domain.models import Presented, RevocationReason, Session
from ..domain.rotation import ADVANCING, GRANTED, Kind, Outcome, RotationPolicy, classify
from .rotation_sql import Statements
from .schema import sessions
from .session_rows import ROTATION_COLUMNS, rotated_session_of


def rotate(
    connection: Connection, statements: Statements, batch: Sequence[Presented], now: int, policy: RotationPolicy
) -> list[Outcome | None]:
    """Apply the rule to *batch* inside the caller's transaction; outcomes in the batch's order.

    Several presentations of one session take their turns in the order of the batch: the first may advance the row,
    the others are classified from what it then holds, and those that the rule lets advance again have another round.
    None is the outcome of what another transaction holds: it stays undecided.
    """
    turns = _Turns(batch)
    while waiting := turns.waiting:
        _round(connection, statements, turns, waiting, now, policy)
        _end_reused(connection, turns, now)
    return [turns.decided.get(place) for place in range(len(batch))]


class _Turns:
    """How far a batch has come. A place is the position of a presentation in its batch.

    Attributes:
        batch: the presentations.
        decided: the outcome at each place that has one.
        held: the sessions whose rows another transaction holds.
    """

    def __init__(self, batch: Sequence[Presented]) -> None:
        self.batch = batch
        self.decided: dict[int, Outcome] = {}
        self.held: set[str] = set()

    @property
    def waiting(self) -> dict[int, Presented]:
        """What another round is for, by place."""
        return {
            place: item
            for place, item in enumerate(self.batch)
            if place not in self.decided and item.session_id not in self.held
        }

    def of(self, session_id: str) -> list[int]:
        """Return the places of a session."""
        return [place for place, item in enumerate(self.batch) if item.session_id == session_id]


class _Row(NamedTuple):
    """A session after the UPDATE: in which batch it last advanced, and by how many generations it then caught up."""

    session: Session
    batch: int
    skipped: int


def _round(
    connection: Connection,
    statements: Statements,
    turns: _Turns,
    waiting: Mapping[int, Presented],
    now: int,
    policy: RotationPolicy,
) -> None:
    """Let the first presentation of each session advance it, and classify the others."""
    first: dict[str, int] = {}
    for place, item in waiting.items():
        first.setdefault(item.session_id, place)
    parameters = statements.parameters(waiting[place] for place in first.values())
    nonce = random.getrandbits(63)
    times = {"now": now, "idle_since": now - policy.refresh_ttl}
    statements.advance(connection, {**parameters, **times, "nonce": nonce})
    rows = _found(connection, statements, parameters)
    for place, item in waiting.items():
        row, is_first = rows.get(item.session_id), first[item.session_id] == place
        if row is not None and is_first and row.batch == nonce:
            turns.decided[place] = _advanced(row, item)
            continue
        outcome = classify(row and row.session, item, now, policy)
        if outcome.kind not in ADVANCING:
            turns.decided[place] = outcome
        elif is_first:
            turns.held.add(item.session_id)  # by the rule it may advance, and it did not


def _found(connection: Connection, statements: Statements, parameters: dict[str, object]) -> Mapping[str, _Row]:
    behind = len(ROTATION_COLUMNS)
    return {
        row[0]: _Row(rotated_session_of(row), batch=row[behind], skipped=row[behind + 1])
        for row in statements.find(connection, parameters)
        if row[0] is not None
    }


def _advanced(row: _Row, item: Presented) -> Outcome:
    if row.session.user.disabled_at is not None:
        return Outcome(Kind.REVOKED, distance=-row.skipped, session=row.session)
    kind = Kind.CATCH_UP if row.skipped else Kind.ROTATE
    return Outcome(kind, item.generation + 1, -row.skipped, row.session)


def _end_reused(connection: Connection, turns: _Turns, now: int) -> None:
    """End the sessions of which a spent token was presented, and refuse what else the batch was granted of them."""
    reused: dict[str, int] = {}
    for place in sorted(place for place, outcome in turns.decided.items() if outcome.kind is Kind.REUSE):
        reused.setdefault(turns.batch[place].session_id, place)
    if not reused:
        return
    ours = _lock(connection, reused)
    connection.execute(
        update(sessions)
        .where(sessions.c.id.in_(ours), sessions.c.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=RevocationReason.REUSE.value)
    )
    for session_id, place in reused.items():
        if session_id in ours:
            _refuse_the_rest(turns, session_id, place)
        else:
            _leave_undecided(turns, session_id)


def _lock(connection: Connection, session_ids: Mapping[str, int]) -> list[str]:
    """Return those whose rows nobody else holds; from now on, we do."""
    which = select(sessions.c.id).where(sessions.c.id.in_(sorted(session_ids)))
    return list(connection.execute(which.with_for_update(key_share=True, skip_locked=True)).scalars())


def _refuse_the_rest(turns: _Turns, session_id: str, reuse: int) -> None:
    found = turns.decided[reuse]
    for place in turns.of(session_id):
        own = turns.decided.get(place)
        if place == reuse or found.session is None:
            continue
        if own is None:  # it would have advanced in the next round
            distance = found.session.generation - turns.batch[place].generation
            turns.decided[place] = Outcome(Kind.REVOKED, distance=distance, session=found.session)
        elif own.kind in GRANTED or own.kind is Kind.REUSE:
            turns.decided[place] = Outcome(Kind.REVOKED, distance=own.distance, session=own.session)


def _leave_undecided(turns: _Turns, session_id: str) -> None:
    turns.held.add(session_id)
    for place in turns.of(session_id):
        if place in turns.decided and (turns.decided[place].kind in GRANTED or turns.decided[place].kind is Kind.REUSE):
            del turns.decided[place]
