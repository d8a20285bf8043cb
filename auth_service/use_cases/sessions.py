"""The use cases: log in, refresh, log out."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from ..domain.clock import Clock
from ..domain.models import Credentials, Device, Presented, RevocationReason, Session, User, always, new_session_id
from ..domain.rotation import GRANTED, Kind, Outcome, classify, is_expired
from ..domain.scopes import is_within
from ..errors import (
    Busy,
    InvalidCredentials,
    InvalidDpopProof,
    InvalidGrant,
    InvalidScope,
    Reason,
    Unavailable,
    UnknownUser,
    UserDisabled,
)
from ..events.events import Events
from ..grant_errors import AssertionProblem, InvalidAssertion
from ..login_guard.delay import DelayedRefusal
from ..login_guard.hashing import Passwords
from ..login_guard.shares import Asker
from ..login_guard.throttle import Throttle, asker_of
from ..store import TRANSACTION_S, SessionLimit, Store
from .group_commit import GroupCommit
from .held_rows import until_free
from .session_terms import Beginning, Granted, Lifetimes
from .session_tokens import SessionTokens

# At the stored hash, in one log-in: it is strengthened once, and changed by people.
_LOOKS = 3
_NO_LONGER_AUTHENTICATED = frozenset(
    {RevocationReason.PASSWORD_CHANGED, RevocationReason.USER_DISABLED, RevocationReason.USER_ERASED}
)
_LOGGED = 10  # session ids in one line: mostly there is one, but thousands where the limit was lowered
_REASONS = {
    Kind.UNKNOWN: Reason.UNKNOWN,
    Kind.EXPIRED: Reason.EXPIRED,
    Kind.REVOKED: Reason.REVOKED,
    Kind.REUSE: Reason.REUSED,
    Kind.ABANDONED: Reason.REUSED,
}


def nothing_proven() -> None:
    """Return None: the request proves no key."""


Create = Callable[[Session, SessionLimit | None], Awaitable[list[str] | None]]
"""Stores a session, and returns the ids of those that end by the limit; None if its user may have none."""
_Answered = tuple[Outcome, Granted | None]


class Sessions:
    """Issues, rotates and revokes.

    Attributes:
        tokens: reads and makes the tokens of sessions.
    """

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        throttle: Throttle,
        delayed: DelayedRefusal,
        tokens: SessionTokens,
        lifetimes: Lifetimes,
        events: Events,
        clock: Clock,
    ) -> None:
        self._store, self._passwords, self._throttle = store, passwords, throttle
        self._delayed = delayed
        self._lifetimes, self._events, self._clock = lifetimes, events, clock
        self.tokens = tokens
        self._rotations: GroupCommit[Presented, _Answered | None] = GroupCommit(self._rotate, on_batch=events.batch)

    async def log_in(self, username: str, password: str, client: Device, *, jkt: str | None = None) -> Granted:
        """Open a session, bound to the key *jkt* if one is given. Beyond a user's number, the oldest end.

        Raises:
            InvalidCredentials: the user is unknown or disabled, or the password wrong; in the same time.
            TooManyAttempts: before any password is looked at; a second late.
            Busy: too many log-ins wait, of this user, network or all, or the hash takes too long; likewise.
            Unavailable: the database does not answer.
        """
        async with self._delayed.refusals():
            self._passwords.lanes.require_room(asker_of(username, client.ip))
            async with self._throttle.log_in(username, client.ip) as asker:
                session = await self._authenticated(username, password, Beginning(client, jkt=jkt), asker)
        self._events.logged_in(session.id, session.user.id, client.ip)
        return self.tokens.grant(session, session.generation, self._clock())

    async def _authenticated(self, username: str, password: str, beginning: Beginning, asker: Asker) -> Session:
        found = await self._store.find_credentials(username)
        for _ in range(_LOOKS):
            stored = found.password_hash if found else None
            matches = await self._passwords.verify(stored, password, asker, name=username)
            if not matches or found is None or found.user.disabled_at is not None:
                break
            if session := await self._open(found.user, stored, beginning):
                await self._strengthen(found, password, asker)
                return session
            # The user was changed meanwhile, or another hash stands there now: of another password, or of this one.
            found = await self._store.find_credentials(username)
        self._events.login_refused(beginning.client.ip)
        raise InvalidCredentials("user name or password is wrong")

    async def _strengthen(self, credentials: Credentials, password: str, asker: Asker) -> None:
        old = credentials.password_hash
        if old is not None and self._passwords.needs_rehash(old):
            with suppress(Busy, Unavailable):  # the next log-in will do
                fresh = await self._passwords.hash(password, asker)
                await self._store.strengthen_hash(credentials.user.id, fresh, replacing=old)

    async def _open(self, user: User, verified_hash: str | None, beginning: Beginning) -> Session | None:
        async def create(session: Session, limit: SessionLimit | None) -> list[str] | None:
            return await self._store.create_session(session, verified_hash=verified_hash, limit=limit)

        return await self._created(user, beginning, create)

    async def _created(self, user: User, beginning: Beginning, create: Create) -> Session | None:
        now = self._clock()
        session = Session(
            id=beginning.session_id or new_session_id(),
            user=user,
            generation=0,
            rotated_at=now,
            idempotency_digest=None,
            created_at=now,
            expires_at=now + self._lifetimes.session_ttl,
            client=beginning.client,
            claims=beginning.claims(self.tokens.clock()),
            limit=beginning.scope,
            jkt=beginning.jkt,
        )
        most = self._lifetimes.sessions_per_user
        limit = SessionLimit(most, self._lifetimes.policy) if most else None
        ended = await create(session, limit)
        if ended is None:
            return None
        self._events.revoked(RevocationReason.SESSION_LIMIT, len(ended), sub=user.id, sids=ended[:_LOGGED])
        # While the password was hashed the user may have been changed: the token tells what stands there now.
        opened = await self._store.find_session(session.id)
        # Any other end, as of a user with too many sessions, is told where the session is used, as a moment later.
        return opened if opened is not None and opened.revoked_reason not in _NO_LONGER_AUTHENTICATED else None

    async def open_for(self, sub: str, beginning: Beginning) -> Granted:
        """Open a session for a user whom the caller has authenticated.

        Raises:
            InvalidRequest: ``auth_time`` lies in the future.
            UnknownUser: there is none with this id.
            UserDisabled: no session is opened for this user.
            InvalidScope: more was asked for than the user has.
            Unavailable: the database does not answer.
        """
        beginning.require_past(self._clock())
        found = await self._store.find_account(sub)
        if found is None:
            raise UnknownUser
        if beginning.scope is not None and not is_within(beginning.scope, found.user.scope):
            raise InvalidScope
        return self._opened(await self._open(found.user, None, beginning), beginning)

    async def open_with(self, sub: str, beginning: Beginning, create: Create) -> Granted:
        """Open a session by a transaction of the caller's, which also makes sure of the user.

        Raises:
            UserDisabled: the user was disabled or erased since.
            InvalidAssertion: what opened the session came again meanwhile, and has ended it.
            Unavailable: the database does not answer; and whatever *create* raises.
        """
        return self._opened(await self._created(User(sub, "", "", ""), beginning, create), beginning)

    async def end(self, session_id: str, reason: RevocationReason) -> None:
        """Revoke a session, if it is alive. Raises: Unavailable."""
        count = int(await self._store.revoke(session_id, reason, now=self._clock()))
        self._events.revoked(reason, count, sid=session_id)

    def _opened(self, session: Session | None, beginning: Beginning) -> Granted:
        if session is None:
            raise UserDisabled
        if session.revoked_reason == RevocationReason.REUSE:
            raise InvalidAssertion(AssertionProblem.REPLAYED, "another request is using it")
        self._events.logged_in(session.id, session.user.id, beginning.client.ip)
        return self.tokens.grant(session, session.generation, self._clock())

    async def refresh(
        self,
        refresh_token: str,
        idempotency_key: str | None,
        *,
        prove: Callable[[], str | None] = nothing_proven,
        scope: str | None = None,
        is_awaited: Callable[[], bool] = always,
    ) -> Granted:
        """Rotate: spend *refresh_token* and return its successor, by the rule of ``rotation.py``.

        Args:
            refresh_token: as it was sent.
            idempotency_key: as it was sent.
            prove: returns the key that the request proves; called once the token's MAC is good, before anything else.
            scope: what the access token of this answer is to be narrowed to (RFC 6749 §6); the session keeps its own.
            is_awaited: whether whoever sent them still waits for the answer.

        Raises:
            InvalidGrant: with the reason.
            InvalidDpopProof, UseDpopNonce: the proof is not good, or missing; nothing is spent, and nothing ends.
            InvalidScope: *scope* is wider than the session's; nothing is spent.
            Unavailable: the database does not answer.
        """
        try:
            session_id, generation = self.tokens.read_refresh_token(refresh_token)
        except InvalidGrant:
            self._events.malformed()
            raise
        jkt = prove()
        digest = hashlib.sha256(idempotency_key.encode()).hexdigest() if idempotency_key is not None else None
        presented = Presented(session_id, generation, digest, is_awaited, scope, jkt)
        if scope is not None:
            await self._require_scope(presented, scope)
        answered = await self._rotations.submit(presented)
        if answered is None:
            answered = await until_free(lambda: self._rotations.submit(presented), is_awaited, TRANSACTION_S)
        outcome, granted = answered
        self._events.presented(outcome, session_id)
        if outcome.kind is Kind.UNPROVEN:
            problem = "this session is bound to a key, and the request proves none or another"
            raise InvalidDpopProof(problem, reason="unproven")
        if granted is None:
            raise InvalidGrant(_REASONS[outcome.kind])
        return granted

    async def _require_scope(self, presented: Presented, scope: str) -> None:
        """Return if the rotation would grant no more than the session has, or will refuse by itself."""
        session = await self._store.find_session(presented.session_id)
        if session is None or is_within(scope, session.scope):
            return
        if classify(session, presented, self._clock(), self._lifetimes.policy).kind in GRANTED:
            raise InvalidScope("wider than the session's")

    async def _rotate(self, batch: Sequence[Presented]) -> Sequence[_Answered | None]:
        outcomes = await self._store.rotate(batch, now=self._clock(), policy=self._lifetimes.policy)
        self._events.judged(outcome for outcome in outcomes if outcome is not None)
        now, issued_at = self._clock(), self.tokens.clock()
        # One after the other: between two answers, each would run in a processor whose caches have forgotten it.
        return [
            outcome and (outcome, self._granted(outcome, now, issued_at, item.scope))
            for item, outcome in zip(batch, outcomes, strict=True)
        ]

    def _granted(self, outcome: Outcome, now: int, issued_at: int, scope: str | None) -> Granted | None:
        if outcome.kind not in GRANTED or outcome.session is None:
            return None
        return self.tokens.grant(outcome.session, outcome.generation, now, scope, issued_at=issued_at)

    async def log_out(self, token: str, *, everywhere: bool) -> None:
        """Revoke the session of a refresh or access token, or all sessions of its user. Any other token: nothing.

        A spent refresh token does too: who holds one may end the session, and nothing else. *everywhere* counts only
        with a live access token, or a refresh token of a live session that is the newest or the one before, whose
        owner may have missed the answer that held the newest.

        Raises:
            Unavailable: the database does not answer; the session may still be alive.
        """
        session_id, generation = self.tokens.session_of(token)
        session = await self._store.find_session(session_id) if session_id else None
        if session is None:
            return
        now, reason = self._clock(), RevocationReason.LOGOUT
        if everywhere and self._is_owners(session, generation, now):
            count = await self._store.revoke_user(session.user.id, reason, now=now)
        else:
            count = int(await self._store.revoke(session.id, reason, now=now))
        self._events.revoked(reason, count, sub=session.user.id, sid=session.id)

    def _is_owners(self, session: Session, generation: int | None, now: int) -> bool:
        if session.revoked_at is not None or is_expired(session, now, self._lifetimes.policy):
            return False
        return generation is None or generation >= session.generation - 1

    async def ready(self) -> None:
        """Return if the clock can be believed, and the database reads and writes. Raises: ClockDiffers, Unavailable."""
        self._clock()
        await self._store.ping()

    async def drain(self, within_s: float) -> None:
        """Return when every rotation that arrived is committed or has failed; see ``GroupCommit``."""
        await self._rotations.drain(within_s)
