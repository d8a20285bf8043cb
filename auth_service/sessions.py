"""The use cases: log in, refresh, log out."""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from auth_service.access_tokens import AccessTokens
from auth_service.errors import Busy, InvalidCredentials, InvalidGrant, InvalidToken, Reason, Unavailable
from auth_service.events import Events
from auth_service.group_commit import GroupCommit
from auth_service.models import (
    Client,
    Credentials,
    Presented,
    RevocationReason,
    Session,
    User,
    always,
    new_session_id,
)
from auth_service.passwords import Passwords
from auth_service.refresh_tokens import RefreshTokens
from auth_service.refusals import HoldBack
from auth_service.rotation import GRANTED, Kind, Outcome, Policy, is_expired
from auth_service.store import SessionLimit, Store
from auth_service.throttle import Throttle
from auth_service.watched_keys import WatchedKeys

Clock = Callable[[], int]
# At the stored hash, in one log-in: it is strengthened once, and changed by people.
_LOOKS = 3
_LOGGED = 10  # session ids in one line: mostly there is one, but thousands where the limit was lowered
_REASONS = {
    Kind.UNKNOWN: Reason.UNKNOWN,
    Kind.EXPIRED: Reason.EXPIRED,
    Kind.REVOKED: Reason.REVOKED,
    Kind.REUSE: Reason.REUSED,
    Kind.ABANDONED: Reason.REUSED,
}


def wall_clock() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Granted(NamedTuple):
    """The tokens of one answer, and whose they are. Times in seconds."""

    user: User
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


_Answered = tuple[Outcome, Granted | None]


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things live, and how many sessions of one user. ``policy`` and ``session_ttl`` in milliseconds."""

    policy: Policy
    session_ttl: int
    sessions_per_user: int


class Sessions:
    """Issues, rotates and revokes."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        throttle: Throttle,
        hold_back: HoldBack,
        access: WatchedKeys[AccessTokens],
        refresh: WatchedKeys[RefreshTokens],
        lifetimes: Lifetimes,
        events: Events,
        clock: Clock = wall_clock,
    ) -> None:
        self._store, self._passwords, self._throttle = store, passwords, throttle
        self._hold_back = hold_back
        self._access, self._refresh = access, refresh
        self._lifetimes, self._events, self._clock = lifetimes, events, clock
        self._rotations: GroupCommit[Presented, _Answered] = GroupCommit(self._rotate, on_batch=events.batch)

    async def log_in(self, username: str, password: str, client: Client) -> Granted:
        """Open a session. Beyond the number that a user may have, those not seen for longest end.

        Raises:
            InvalidCredentials: the user is unknown or disabled, or the password wrong; in the same time.
            TooManyAttempts: before any password is looked at; a second late.
            Busy: too many log-ins wait; likewise.
            Unavailable: the database does not answer.
        """
        async with self._hold_back.refusals():
            self._passwords.admit()
            async with self._throttle.attempt(username, client.ip):
                session = await self._authenticated(username, password, client)
        self._events.logged_in(session.id, session.user.id, client.ip)
        return self._grant(session, session.generation, self._clock())

    async def _authenticated(self, username: str, password: str, client: Client) -> Session:
        found = await self._store.find_credentials(username)
        for _ in range(_LOOKS):
            enabled = found if found and found.user.disabled_at is None else None
            matches = await self._passwords.verify(enabled.password_hash if enabled else None, password)
            if not matches or enabled is None:
                break
            if session := await self._open(enabled.user, enabled.password_hash, client):
                await self._strengthen(enabled, password)
                return session
            # Another hash stands there now: of another password, or of this one, strengthened meanwhile.
            found = await self._store.find_credentials(username)
        self._events.login_refused(client.ip)
        raise InvalidCredentials("user name or password is wrong")

    async def _strengthen(self, credentials: Credentials, password: str) -> None:
        old = credentials.password_hash
        if self._passwords.needs_rehash(old):
            with suppress(Busy, Unavailable):  # the next log-in will do
                fresh = await self._passwords.hash(password)
                await self._store.strengthen_hash(credentials.user.id, fresh, replacing=old)

    async def _open(self, user: User, verified_hash: str, client: Client) -> Session | None:
        now = self._clock()
        session = Session(
            id=new_session_id(),
            user=user,
            generation=0,
            rotated_at=now,
            idempotency_digest=None,
            created_at=now,
            expires_at=now + self._lifetimes.session_ttl,
            client=client,
        )
        most = self._lifetimes.sessions_per_user
        limit = SessionLimit(most, self._lifetimes.policy) if most else None
        ended = await self._store.create_session(session, verified_hash=verified_hash, limit=limit)
        if ended is None:
            return None
        self._events.revoked(RevocationReason.SESSION_LIMIT, len(ended), sub=user.id, sids=ended[:_LOGGED])
        return session

    async def refresh(
        self, refresh_token: str, idempotency_key: str | None, *, is_awaited: Callable[[], bool] = always
    ) -> Granted:
        """Rotate: spend *refresh_token* and return its successor, by the rule of ``rotation.py``.

        Args:
            refresh_token: as it was sent.
            idempotency_key: as it was sent.
            is_awaited: whether whoever sent them still waits for the answer.

        Raises:
            InvalidGrant: with the reason.
            Unavailable: the database does not answer.
        """
        try:
            session_id, generation = self._decode(refresh_token)
        except InvalidGrant:
            self._events.malformed()
            raise
        digest = hashlib.sha256(idempotency_key.encode()).hexdigest() if idempotency_key is not None else None
        outcome, granted = await self._rotations.submit(Presented(session_id, generation, digest, is_awaited))
        self._events.presented(outcome, session_id)
        if granted is None:
            raise InvalidGrant(_REASONS[outcome.kind])
        return granted

    async def _rotate(self, batch: Sequence[Presented]) -> Sequence[_Answered]:
        outcomes = await self._store.rotate(batch, now=self._clock(), policy=self._lifetimes.policy)
        self._events.judged(outcomes)
        now = self._clock()
        # One after the other: between two answers, each would run in a processor whose caches have forgotten it.
        return [(outcome, self._granted(outcome, now)) for outcome in outcomes]

    def _granted(self, outcome: Outcome, now: int) -> Granted | None:
        if outcome.kind not in GRANTED or outcome.session is None:
            return None
        return self._grant(outcome.session, outcome.generation, now)

    def _decode(self, refresh_token: str) -> tuple[str, int]:
        return self._refresh.read(lambda keys: keys.decode(refresh_token), InvalidGrant)

    def _grant(self, session: Session, generation: int, now: int) -> Granted:
        access = self._access.current
        left = min(session.rotated_at + self._lifetimes.policy.refresh_ttl, session.expires_at) - now
        return Granted(
            user=session.user,
            access_token=access.mint(session.user, session.id, now),
            expires_in=access.ttl_s,
            refresh_token=self._refresh.current.encode(session.id, generation),
            refresh_expires_in=max(0, math.ceil(left / 1000)),
        )

    async def log_out(self, token: str, *, everywhere: bool) -> None:
        """Revoke the session of a refresh or access token, or all sessions of its user. Any other token: nothing.

        A spent refresh token does too: who holds one may end the session, and nothing else. *everywhere* counts only
        with a live access token, or a refresh token of a live session that is the newest or the one before, whose
        owner may have missed the answer that held the newest.

        Raises:
            Unavailable: the database does not answer; the session may still be alive.
        """
        session_id, generation = self._session_of(token)
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

    def _session_of(self, token: str) -> tuple[str | None, int | None]:
        """Return the session of a token, and of a refresh token the generation."""
        try:
            return self._decode(token)
        except InvalidGrant:
            pass
        try:
            return self._access.read(lambda keys: keys.read(token, self._clock()), InvalidToken).sid, None
        except InvalidToken:
            return None, None

    async def ready(self) -> None:
        """Return if the database answers. Raises: Unavailable."""
        await self._store.ping()

    async def drain(self, within_s: float) -> None:
        """Return when every rotation that arrived is committed or has failed; see ``GroupCommit``."""
        await self._rotations.drain(within_s)
