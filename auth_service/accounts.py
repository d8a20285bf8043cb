"""What users may do with their own account: see and end sessions, change the password."""

from collections.abc import Callable
from functools import partial

from auth_service.access_tokens import AccessTokens
from auth_service.errors import InvalidCredentials, InvalidRequest, InvalidToken
from auth_service.events import Events
from auth_service.models import RevocationReason, Session, User
from auth_service.passwords import Passwords
from auth_service.refusals import HoldBack
from auth_service.rotation import Policy, is_expired
from auth_service.sessions import Clock
from auth_service.store import Store
from auth_service.throttle import Throttle
from auth_service.watched_keys import WatchedKeys

PasswordRule = Callable[[str, User], str | None]
"""Says why a password must not be a user's, or None; computes."""
_LOOKS = 3  # at the stored hash, as in ``sessions.py``


class Accounts:
    """Every call begins with ``authenticate``: the session must be alive now, not only when the token was minted."""

    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        throttle: Throttle,
        hold_back: HoldBack,
        access: WatchedKeys[AccessTokens],
        policy: Policy,
        problem_of: PasswordRule,
        events: Events,
        clock: Clock,
    ) -> None:
        self._store, self._passwords, self._throttle, self._problem_of = store, passwords, throttle, problem_of
        self._hold_back = hold_back
        self._access, self._policy, self._events, self._clock = access, policy, events, clock

    async def authenticate(self, access_token: str) -> Session:
        """Return the live session of an access token.

        Raises:
            InvalidToken: the token is refused, or its session has ended.
            Unavailable: the database does not answer.
        """
        claims = self._access.read(lambda keys: keys.read(access_token, self._clock()), InvalidToken)
        session = await self._store.find_session(claims.sid)
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

    async def change_password(self, of: Session, current: str, new: str) -> None:
        """Set a new password; every other session of the user is revoked in the same transaction.

        Raises:
            InvalidRequest: *new* breaks the rules for passwords.
            InvalidCredentials: *current* is wrong, or another change came first.
            TooManyAttempts: too many wrong ones, from this session; a second late.
            Busy: too many passwords wait to be verified; likewise.
            Unavailable: the database does not answer.
        """
        # A stolen access token must not guess the password from its owner's session.
        async with self._hold_back.refusals(), self._throttle.attempt(of.user.username, of.id):
            if problem := await self._passwords.run(partial(self._problem_of, new, of.user)):
                raise InvalidRequest(f"new_password: {problem}.")
            try:
                ended = await self._replace(of, current, await self._passwords.hash(new))
            except InvalidCredentials:
                self._events.password_refused(of.id, of.user.id)
                raise
        self._events.password_changed(of.user.id)
        self._events.revoked(RevocationReason.PASSWORD_CHANGED, ended, sub=of.user.id)

    async def _replace(self, of: Session, current: str, fresh: str) -> int:
        for _ in range(_LOOKS):
            found = await self._store.find_credentials(of.user.username)
            if not await self._passwords.verify(found.password_hash if found else None, current) or found is None:
                raise InvalidCredentials("the current password is wrong")
            old, now = found.password_hash, self._clock()
            ended = await self._store.set_password(of.user.id, fresh, replacing=old, keep=of.id, now=now)
            if ended is not None:
                return ended
            # Another hash stands there now: of another password, or of this one, strengthened meanwhile.
        raise InvalidCredentials("the password was changed meanwhile")
