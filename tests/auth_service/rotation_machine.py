"""A state machine over the rotation rule: honest clients, faults, and a thief who copies tokens at any moment.

Clients hang up, and what they left behind arrives late; the thief sends no key, or one that he made up.

It drives a store, and checks each batch against the pure rule (some order of the batch explains every outcome) and
against what users are promised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import permutations
from typing import Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from auth_service.models import Presented, RevocationReason, Session, User
from auth_service.rotation import ADVANCING, GRANTED, Kind, Outcome, Policy, classify, is_expired

POLICY = Policy(refresh_ttl=1_000, grace=10)
SESSION_TTL = 5_000
START = 1_000_000
MADE_UP = "the thief's key"
FEW = 3  # presentations, before which hardly anything can have branched


class Backend(Protocol):
    """What is under test, as plain functions."""

    def open(self, now: int) -> Session: ...
    def rotate(self, batch: Sequence[Presented], now: int) -> list[Outcome]: ...
    def row(self, session_id: str) -> Session: ...
    def restore(self, row: Session) -> None: ...
    def rows(self) -> int: ...


class Rule:
    """The rule alone: rows in a dictionary, a batch applied item by item."""

    def __init__(self) -> None:
        self._rows: dict[str, Session] = {}

    def open(self, now: int) -> Session:
        session = Session(f"s{len(self._rows)}", User("u", "zs", "e", "read"), 0, now, None, now, now + SESSION_TTL)
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


@dataclass
class Login:
    """One session: what its honest client holds, and what a thief may have of it."""

    session: Session
    keyed: bool
    token: int = 0
    journal: str | None = None
    crashed_before_persisting: tuple[int, str | None] | None = None
    answered_at: int = START
    lost_at: int | None = None
    issued: set[int] = field(default_factory=lambda: {0})
    sent: list[Presented] = field(default_factory=list)
    spent_with_key: set[int] = field(default_factory=set)
    tainted: bool = False
    stolen_from: bool = False
    forgotten: bool = False
    over: bool = False


class Asker(Enum):
    """Whose presentation it is. ``LEFT_BEHIND``: the owner's, sent before, and hung up on."""

    OWNER = auto()
    THIEF = auto()
    LEFT_BEHIND = auto()


class Answer(Enum):
    """What becomes of the answer."""

    ARRIVES = auto()
    IS_LOST = auto()
    IS_NOT_AWAITED = auto()


@dataclass(frozen=True)
class Move:
    """One presentation in a batch: by whom, of which login and of its tokens, with which key if it is a thief's."""

    login: int
    asker: Asker
    which: int
    answer: Answer
    made_up: str | None

    @property
    def is_awaited(self) -> bool:
        """Whether the asker is still there."""
        return self.asker is not Asker.LEFT_BEHIND and self.answer is not Answer.IS_NOT_AWAITED


MOVES = st.builds(
    Move,
    login=st.integers(0, 2),
    asker=st.sampled_from([Asker.OWNER] * 4 + [Asker.THIEF, Asker.LEFT_BEHIND]),
    which=st.integers(0, 50),
    answer=st.sampled_from([Answer.ARRIVES] * 3 + [Answer.IS_LOST, Answer.IS_NOT_AWAITED]),
    made_up=st.sampled_from([None, MADE_UP]),
)


class Sessions(RuleBasedStateMachine):
    """Three log-ins: two of clients that send keys, one of a simple client."""

    backend: Backend

    @initialize()
    def log_in(self) -> None:
        self.now = START
        self.keys = 0
        self.before = self.backend.rows()
        self.logins = [Login(self.backend.open(self.now), keyed) for keyed in (True, True, False)]
        self.snapshots = [[self.backend.row(login.session.id) for login in self.logins]]

    @rule(by=st.one_of(st.integers(0, 30), st.sampled_from([-20, -3, 300, 990, 1_200])))
    def clock_moves(self, by: int) -> None:
        self.now += by

    @rule(moves=st.lists(MOVES, min_size=1, max_size=5))
    def present(self, moves: list[Move]) -> None:
        batch = [self._presented(move) for move in moves]
        rows = {login.session.id: self.backend.row(login.session.id) for login in self.logins}
        excused = [self._excused(move, item, rows) for move, item in zip(moves, batch, strict=True)]
        outcomes = self.backend.rotate(batch, self.now)
        self._check_linear(rows, batch, outcomes)
        for move, item, outcome, excuse in zip(moves, batch, outcomes, excused, strict=True):
            self._check_promises(move, item, outcome, excuse)
        for move, item, outcome in zip(moves, batch, outcomes, strict=True):
            self._answer(move, item, outcome)
        self.snapshots.append([self.backend.row(login.session.id) for login in self.logins])

    def _presented(self, move: Move) -> Presented:
        login = self.logins[move.login]
        if move.asker is Asker.LEFT_BEHIND and login.sent:
            item = login.sent[move.which % len(login.sent)]
        elif move.asker is Asker.THIEF:
            login.tainted = True
            item = Presented(login.session.id, sorted(login.issued)[move.which % len(login.issued)], move.made_up)
        else:
            item = self._sent(login)
        return item._replace(is_awaited=lambda: move.is_awaited)

    def _sent(self, login: Login) -> Presented:
        if login.keyed and login.journal is None:
            self.keys += 1
            login.journal = f"key{self.keys}"
        login.sent.append(Presented(login.session.id, login.token, login.journal))
        return login.sent[-1]

    def _excused(self, move: Move, item: Presented, rows: dict[str, Session]) -> bool:
        """Whether an honest client may be refused: its time is over, or it sent no key and came after the grace."""
        login, row = self.logins[move.login], rows[item.session_id]
        late = not login.keyed and login.lost_at is not None and abs(self.now - row.rotated_at) > POLICY.grace
        return login.tainted or login.over or late or is_expired(row, self.now, POLICY)

    def _check_linear(self, rows: dict[str, Session], batch: list[Presented], outcomes: list[Outcome]) -> None:
        for session_id, row in rows.items():
            mine = [index for index, item in enumerate(batch) if item.session_id == session_id]
            after = self.backend.row(session_id)
            assert any(self._explains(order, row, batch, outcomes, after) for order in permutations(mine)), (
                f"no order of {[batch[i] for i in mine]} explains {[outcomes[i] for i in mine]} from {row}"
            )

    def _explains(
        self, order: Sequence[int], row: Session, batch: list[Presented], outcomes: list[Outcome], after: Session
    ) -> bool:
        expected = []
        for index in order:
            row, outcome = step(row, batch[index], self.now)
            expected.append(outcome)
        items = [batch[index] for index in order]
        mine = [brief(outcomes[index]) for index in order]
        return row == after and mine == [brief(outcome) for outcome in take_back(items, expected)]

    def _check_promises(self, move: Move, item: Presented, outcome: Outcome, excused: bool) -> None:
        login = self.logins[move.login]
        owner, thief = move.asker is Asker.OWNER, move.asker is Asker.THIEF
        assert move.is_awaited or outcome.kind is not Kind.REUSE, "what nobody waits for ends nothing"
        if owner:
            assert excused or outcome.kind in GRANTED, "an honest client alone is never refused"
        if thief and not login.forgotten:
            gained = outcome.kind in GRANTED and item.generation in login.spent_with_key
            assert not gained, "a thief without the key never gains from a rotation made with one"
        if owner and login.keyed and login.stolen_from and not login.forgotten:
            assert outcome.kind not in GRANTED, "once a thief used a token, the owner's next refresh ends the session"

    def _answer(self, move: Move, item: Presented, outcome: Outcome) -> None:
        login, thief = self.logins[move.login], move.asker is Asker.THIEF
        if outcome.kind not in GRANTED:
            login.over |= outcome.kind is not Kind.ABANDONED
            return
        login.issued.add(outcome.generation)
        if outcome.kind in ADVANCING:
            login.stolen_from |= thief
            if item.idempotency_digest is not None and not thief:
                login.spent_with_key.add(item.generation)
        if thief or login.token != item.generation:
            return
        if not move.is_awaited or move.answer is Answer.IS_LOST:
            login.lost_at = self.now
            return
        login.crashed_before_persisting = (login.token, login.journal)
        login.token, login.journal, login.lost_at = outcome.generation, None, None

    @precondition(lambda self: any(login.crashed_before_persisting for login in self.logins))
    @rule()
    def restart_with_an_old_journal(self) -> None:
        for login in self.logins:
            if login.crashed_before_persisting and login.journal is None and login.keyed:
                login.token, login.journal = login.crashed_before_persisting
            login.crashed_before_persisting = None

    @rule(back=st.integers(1, 6))
    def failover_forgets_the_newest_writes(self, back: int) -> None:
        rows = self.snapshots[max(0, len(self.snapshots) - 1 - back)]
        for login, row in zip(self.logins, rows, strict=True):
            self.backend.restore(row)
            login.forgotten = True
            login.lost_at = None if login.keyed else login.lost_at
        self.snapshots = [rows]

    @precondition(lambda self: len(self.snapshots) > FEW)
    @rule()
    def every_token_is_presented_to_a_copy(self) -> None:
        """Whatever was ever answered, in whoever's hands, and even with the key that no thief has."""
        for login in self.logins:
            row = self.backend.row(login.session.id)
            newest_first = [Presented(row.id, g, row.idempotency_digest) for g in sorted(login.issued, reverse=True)]
            # After a failover, what was forgotten is caught up one by one, each time on the same branch.
            alone = [] if login.forgotten else [self._advances(item, row) for item in newest_first]
            self.backend.restore(row)
            one_after_the_other = [self._advances(item) for item in newest_first]
            self.backend.restore(row)
            assert sum(alone) <= 1, "a session has one live branch"
            assert sum(one_after_the_other) <= 1, "a session has one live branch"

    def _advances(self, item: Presented, row: Session | None = None) -> bool:
        if row is not None:
            self.backend.restore(row)
        (outcome,) = self.backend.rotate([item], self.now)
        return outcome.kind in ADVANCING

    @invariant()
    def rows_never_grow(self) -> None:
        assert self.backend.rows() == self.before + len(self.logins)
