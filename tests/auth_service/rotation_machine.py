"""A state machine over the rotation rule: honest clients, faults, and a thief who copies tokens at any moment.

Clients hang up, and what they left behind arrives late. The thief of an unbound session sends no Idempotency-Key, or
one that he made up. Of a bound session he has the journal, too; and now and then the very key that it is bound to.

It drives a store, and checks each batch against the pure rule (some order of the batch explains every outcome) and
against what users are promised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import permutations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dualtoken.auth_service.domain.models import Presented, Session
from dualtoken.auth_service.domain.rotation import ADVANCING, GRANTED, Kind, Outcome, is_expired
from tests.auth_service.rotation_model import POLICY, START, Backend, brief, step, take_back

MADE_UP, JOURNAL = "the thief's Idempotency-Key", "the one in the owner's journal"
OTHER_KEY, OWN_KEY = "the thief's thumbprint", "that of the session's key"
CLIENTS = ((True, False), (True, False), (False, False), (True, True), (False, True))
"""Whether each sends Idempotency-Keys, and whether its session is bound."""
FEW = 3  # presentations, before which hardly anything can have branched


@dataclass
class Login:
    """One session: what its honest client holds, and what a thief may have of it."""

    session: Session
    keyed: bool
    bound: bool
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

    def stolen(self, which: int, key: str | None, proves: str | None) -> Presented:
        """Return what a thief presents of it."""
        if key == JOURNAL:  # without a binding, whoever has token and journal is the client
            key = self.sent[-1].idempotency_digest if self.bound and self.sent else MADE_UP
        jkt = self.session.jkt if proves == OWN_KEY else proves
        return Presented(self.session.id, sorted(self.issued)[which % len(self.issued)], key, jkt=jkt)

    def admits(self, item: Presented) -> bool:
        """Whether the request proves the key that the session is bound to, if it is bound."""
        return not self.bound or item.jkt == self.session.jkt


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
    """One presentation in a batch: by whom, of which login and of its tokens; if a thief's, with what he has."""

    login: int
    asker: Asker
    which: int
    answer: Answer
    key: str | None
    proves: str | None

    @property
    def is_awaited(self) -> bool:
        """Whether the asker is still there."""
        return self.asker is not Asker.LEFT_BEHIND and self.answer is not Answer.IS_NOT_AWAITED


MOVES = st.builds(
    Move,
    login=st.integers(0, len(CLIENTS) - 1),
    asker=st.sampled_from([Asker.OWNER] * 4 + [Asker.THIEF, Asker.LEFT_BEHIND]),
    which=st.integers(0, 50),
    answer=st.sampled_from([Answer.ARRIVES] * 3 + [Answer.IS_LOST, Answer.IS_NOT_AWAITED]),
    key=st.sampled_from([None, MADE_UP, JOURNAL]),
    proves=st.sampled_from([None, None, OTHER_KEY, OTHER_KEY, OWN_KEY]),
)


class Sessions(RuleBasedStateMachine):
    """Log-ins of clients that send Idempotency-Keys and of simple ones, some of them bound to a key."""

    backend: Backend

    @initialize()
    def log_in(self) -> None:
        self.now = START
        self.keys = 0
        self.before = self.backend.rows()
        self.logins = [
            Login(self.backend.open(self.now, f"key of {number}" if bound else None), keyed, bound)
            for number, (keyed, bound) in enumerate(CLIENTS)
        ]
        self.snapshots = [[self.backend.row(login.session.id) for login in self.logins]]

    @rule(by=st.one_of(st.integers(0, 30), st.sampled_from([-20, -3, 300, 990, 1_200])))
    def clock_moves(self, by: int) -> None:
        self.now += by

    @rule(moves=st.lists(MOVES, min_size=1, max_size=5))
    def present(self, moves: list[Move]) -> None:
        batch = [self._presented(move) for move in moves]
        rows = {login.session.id: self.backend.row(login.session.id) for login in self.logins}
        excused = [self._excused(move, item, rows) for move, item in zip(moves, batch, strict=True)]
        behind = [rows[item.session_id].generation - item.generation for item in batch]
        outcomes = self.backend.rotate(batch, self.now)
        self._check_linear(rows, batch, outcomes)
        for move, item, outcome, excuse, distance in zip(moves, batch, outcomes, excused, behind, strict=True):
            self._check_promises(move, item, outcome, excuse)
            self._check_binding(move, item, outcome, distance)
        for move, item, outcome in zip(moves, batch, outcomes, strict=True):
            self._answer(move, item, outcome)
        self.snapshots.append([self.backend.row(login.session.id) for login in self.logins])

    def _presented(self, move: Move) -> Presented:
        login = self.logins[move.login]
        if move.asker is Asker.LEFT_BEHIND and login.sent:
            item = login.sent[move.which % len(login.sent)]
        elif move.asker is Asker.THIEF:
            item = login.stolen(move.which, move.key, move.proves)
            login.tainted |= login.admits(item)
        else:
            item = self._sent(login)
        return item._replace(is_awaited=lambda: move.is_awaited)

    def _sent(self, login: Login) -> Presented:
        if login.keyed and login.journal is None:
            self.keys += 1
            login.journal = f"key{self.keys}"
        if not login.keyed:
            login.crashed_before_persisting = None  # whoever goes on has persisted
        login.sent.append(Presented(login.session.id, login.token, login.journal, jkt=login.session.jkt))
        return login.sent[-1]

    def _excused(self, move: Move, item: Presented, rows: dict[str, Session]) -> bool:
        """Whether an honest client may be refused: its time is over, or it showed by no key that it is the same."""
        login, row = self.logins[move.login], rows[item.session_id]
        simple = not login.keyed and not login.bound
        late = simple and login.lost_at is not None and abs(self.now - row.rotated_at) > POLICY.grace
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
        if login.bound:
            return
        if thief and not login.forgotten:
            gained = outcome.kind in GRANTED and item.generation in login.spent_with_key
            assert not gained, "a thief without the key never gains from a rotation made with one"
        if owner and login.keyed and login.stolen_from and not login.forgotten:
            assert outcome.kind not in GRANTED, "once a thief used a token, the owner's next refresh ends the session"

    def _check_binding(self, move: Move, item: Presented, outcome: Outcome, distance: int) -> None:
        login = self.logins[move.login]
        if not login.admits(item):
            assert outcome.kind is Kind.UNPROVEN, "a thief without the session's key neither gains nor ends anything"
        elif login.bound and distance > 1 and not login.forgotten:
            over = outcome.kind in {Kind.REUSE, Kind.REVOKED, Kind.EXPIRED}
            assert over or not move.is_awaited, "whoever is two rotations behind ends the session, the key's thief too"

    def _answer(self, move: Move, item: Presented, outcome: Outcome) -> None:
        login, thief = self.logins[move.login], move.asker is Asker.THIEF
        if outcome.kind not in GRANTED:
            login.over |= outcome.kind not in {Kind.ABANDONED, Kind.UNPROVEN}
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
            if login.crashed_before_persisting and login.journal is None and (login.keyed or login.bound):
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
            newest_first = [
                Presented(row.id, generation, row.idempotency_digest, jkt=row.jkt)
                for generation in sorted(login.issued, reverse=True)
            ]
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
