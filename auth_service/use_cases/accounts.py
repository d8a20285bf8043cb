"""Users' access to their own account: see and end sessions, change the password."""

from ..domain.clock import Clock
from ..domain.models import RevocationReason, Session, User
from ..domain.rotation import RotationPolicy, is_expired
from ..errors import InvalidCredentials, InvalidRequest, InvalidToken
from ..events.events import Events
from ..login_guard.delay import DelayedRefusal
from ..login_guard.hashing import Passwords
from ..login_guard.judge import Judge
from ..login_guard.shares import Asker
from ..login_guard.throttle import Throttle, asker_of
from ..store import Kept, Store
from .session_tokens import SessionTokens

_LOOKS = 3  # at the stored hash, as in ``sessions.py``


class Accounts:
    """Every call begins with ``authenticate``: the session must be alive now, not only when the token was minted."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        throttle: Throttle,
        delayed: DelayedRefusal,
        tokens: SessionTokens,
        policy: RotationPolicy,
        judge: Judge,
        events: Events,
        clock: Clock,
    ) -> None:
        self._store, self._passwords, self._throttle, self._judge = store, passwords, throttle, judge
        self._delayed = delayed
        self._tokens, self._policy, self._events, self._clock = tokens, policy, events, clock

    async def authenticate(self, access_token: str, *, hashes_from: str | None = None) -> Session:
        """Return the live session of an access token.

        Args:
            access_token: as it was sent.
            hashes_from: the address from which a password is to be hashed: with no room for it, nothing else is done.

        Raises:
            InvalidToken: the token is refused, or its session has ended.
            Busy: there is no room; a second late.
            Unavailable: the database does not answer.
        """
        claims = self._tokens.read_access_token(access_token)
        if hashes_from is not None:
            async with self._delayed.refusals():
                self._passwords.lanes.require_room(asker_of(claims["username"], hashes_from))
        return await self._live(claims["sid"])

    async def _live(self, session_id: str) -> Session:
        session = await self._store.find_session(session_id)
        if session is None or session.revoked_at is not None or session.user.disabled_at is not None:
            raise InvalidToken("the session has ended")
        if is_expired(session, self._clock(), self._policy):
            raise InvalidToken("the session has expired")
        return session

    async def sessions(self, of: Session) -> list[Session]:
        """Return the live sessions of the caller, the latest seen first. Raises: Unavailable."""
        return await self._store.list_sessions(of.user.id, now=self._clock(), policy=self._policy)

    async def end_session(self, of: Session, session_id: str) -> bool:
        """End one of the caller's sessions. False if the caller has no such live session. Raises: Unavailable."""
        reason = RevocationReason.LOGOUT
        ended = await self._store.revoke(session_id, reason, now=self._clock(), user_id=of.user.id)
        self._events.revoked(reason, int(ended), sub=of.user.id, sid=session_id)
        return ended

    async def change_password(self, of: Session, current: str, new: str, *, address: str) -> None:
        """Set a new password; every other session of the user is revoked in the same transaction.

        The current one is verified first: nobody else has a new one scored and hashed.

        Raises:
            InvalidCredentials: *current* is wrong, or another change came first.
            InvalidToken: the session ended, or the user was disabled, before the new password was stored.
            InvalidRequest: *new* breaks the rules for passwords.
            TooManyAttempts: too many from this session, or of this user; a second late.
            Busy: too many passwords wait, or it takes too long; likewise.
            Unavailable: the database does not answer.
        """
        asker = asker_of(of.user.username, address)
        # A stolen access token must not guess the password from its owner's session.
        async with self._delayed.refusals(), self._throttle.change(of.id, of.user.id):
            try:
                ended = await self._replace(of, current, new, asker)
            except InvalidCredentials:
                self._events.password_refused(of.id, of.user.id)
                raise
        self._events.password_changed(of.user.id)
        self._events.revoked(RevocationReason.PASSWORD_CHANGED, ended, sub=of.user.id)

    async def _replace(self, of: Session, current: str, new: str, asker: Asker) -> int:
        keep, fresh = Kept(of.id, self._policy), None
        for _ in range(_LOOKS):
            found = await self._store.find_credentials(of.user.username)
            is_right = await self._passwords.verify(found.password_hash if found else None, current, asker)
            if found is None or not is_right:
                raise InvalidCredentials("the current password is wrong")
            fresh = fresh or await self._hash_of(new, of.user, asker)
            old, now = found.password_hash, self._clock()
            ended = await self._store.set_password(of.user.id, fresh, replacing=old, keep=keep, now=now)
            if ended is not None:
                return ended
            await self._live(of.id)
            # Another hash stands there now: of another password, or of this one, strengthened meanwhile.
        raise InvalidCredentials("the password was changed meanwhile")

    async def _hash_of(self, new: str, user: User, asker: Asker) -> str:
        if problem := await self._judge.problem_of(new, user, asker):
            raise InvalidRequest(f"new_password: {problem}.")
        return await self._passwords.hash(new, asker)
