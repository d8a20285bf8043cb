"""Session codes: a backend has authenticated a user, and its page gets the session without the backend."""

import hashlib

from ..domain.clock import Clock
from ..domain.models import Credentials, Device, RevocationReason, Session, new_session_id
from ..domain.scopes import is_within
from ..errors import InvalidScope, UnknownUser, UserDisabled
from ..events.assertions import AssertionEvents
from ..events.backend import BackendEvents
from ..grant_errors import CodeProblem, InvalidAssertion, InvalidSessionCode
from ..keys.watcher import WatchedKeys
from ..login_guard.delay import DelayedRefusal
from ..login_guard.throttle import Throttle
from ..store import SessionLimit, SpentAssertion, Store
from ..tokens.session_code import SealedCodes, SessionCode
from .session_terms import Beginning, Granted
from .sessions import Sessions

LIFE_S = 60
"""Of a code: the page exchanges it as soon as it is there."""


class SessionCodes:
    """Makes codes for the backend, and opens sessions by them for pages."""

    def __init__(
        self,
        codes: WatchedKeys[SealedCodes],
        sessions: Sessions,
        store: Store,
        throttle: Throttle,
        delayed: DelayedRefusal,
        events: AssertionEvents,
        audit: BackendEvents,
        clock: Clock,
    ) -> None:
        self._codes, self._sessions, self._store = codes, sessions, store
        self._throttle, self._delayed, self._events, self._audit, self._clock = throttle, delayed, events, audit, clock

    async def issue(self, sub: str, beginning: Beginning, origin: str, ip: str) -> str:
        """Return a code for a page of *origin*. No session is opened before the page exchanges it.

        Raises:
            InvalidRequest, UnknownUser, UserDisabled, InvalidScope, Unavailable: as for ``Sessions.open_for``.
        """
        now = self._clock()
        beginning.require_past(now)
        account = _require_usable(await self._store.find_account(sub), beginning.scope)
        amr, expires_at = tuple(beginning.amr), now + LIFE_S * 1000
        began = beginning.authenticated_at(now)
        code = SessionCode(new_session_id(), sub, beginning.scope, amr, began, origin, expires_at, account.hash_digest)
        self._audit.code_issued(sub, ip, origin)
        return self._codes.current.seal(code)

    async def exchange(self, text: str, origin: str, client: Device, jkt: str | None) -> Granted:
        """Open the session of a code, bound to the key *jkt* if one is given.

        A code that comes once more ends the session that it has opened: two pages have it, and one has stolen it.

        Raises:
            InvalidSessionCode: with the reason.
            InvalidScope: the user has less by now.
            TooManyAttempts, Busy: as for an assertion.
            Unavailable: the database does not answer.
        """
        try:
            async with self._delayed.refusals(), self._throttle.assertion(client.ip):
                return await self._open(self._good(text, origin), client, jkt)
        except InvalidSessionCode as refusal:
            self._events.code_refused(refusal.reason or "", client.ip)
            raise

    def _good(self, text: str, origin: str) -> SessionCode:
        code = self._codes.read(lambda codes: codes.open(text), InvalidSessionCode)
        if self._clock() >= code.expires_at:
            raise InvalidSessionCode(CodeProblem.EXPIRED)
        if code.origin != origin:
            raise InvalidSessionCode(CodeProblem.ORIGIN)
        return code

    async def _open(self, code: SessionCode, client: Device, jkt: str | None) -> Granted:
        # By what it says: base64url has several spellings of one code.
        spent = SpentAssertion(hashlib.sha256(code.session_id.encode()).hexdigest(), code.expires_at)

        async def create(session: Session, limit: SessionLimit | None) -> list[str]:
            return await self._store.open_by_assertion(
                session, spent, lambda found: _require_unchanged(found, code), limit=limit
            )

        beginning = Beginning(client, code.amr, code.auth_time, code.scope, jkt, code.session_id)
        try:
            return await self._sessions.open_with(code.sub, beginning, create)
        except UnknownUser:
            raise InvalidSessionCode(CodeProblem.UNKNOWN_USER) from None
        except UserDisabled:
            raise InvalidSessionCode(CodeProblem.USER_DISABLED) from None
        except InvalidAssertion:
            await self._sessions.end(code.session_id, RevocationReason.REUSE)
            raise InvalidSessionCode(CodeProblem.REPLAYED) from None


def _require_usable(found: Credentials | None, scope: str | None) -> Credentials:
    if found is None:
        raise UnknownUser
    if found.user.disabled_at is not None:
        raise UserDisabled
    if scope is not None and not is_within(scope, found.user.scope):
        raise InvalidScope
    return found


def _require_unchanged(found: Credentials | None, code: SessionCode) -> Credentials:
    """Require what was required for the code, and the password of then: a new one ends what was begun with the old."""
    account = _require_usable(found, code.scope)
    if not account.has_hash_of(code.hash_digest):
        raise InvalidSessionCode(CodeProblem.PASSWORD_CHANGED)
    return account
