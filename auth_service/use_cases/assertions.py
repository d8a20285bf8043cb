"""Sessions by assertions of other issuers (RFC 7523); each issuer's entry maps its users."""

from ..domain.assertion import Asserted, Assertion, judge, new_account, read_assertion
from ..domain.clock import Clock
from ..domain.jws import is_signed_by
from ..domain.models import Credentials, Session
from ..domain.scopes import is_within
from ..domain.trusted_issuers import TrustedIssuer
from ..errors import InvalidScope, UserDisabled, UsernameTaken
from ..grant_errors import AssertionProblem, InvalidAssertion
from ..keys.issuer_keys import IssuerKeys, Issuers
from ..login_guard.delay import DelayedRefusal
from ..login_guard.throttle import Throttle
from ..store import SessionLimit, SpentAssertion, Store
from .session_terms import Beginning, Granted
from .sessions import Sessions


class Assertions:
    """Whatever is refused has changed nothing: no user is made, and the assertion is not spent."""

    def __init__(
        self,
        issuers: Issuers,
        sessions: Sessions,
        store: Store,
        throttle: Throttle,
        delayed: DelayedRefusal,
        clock: Clock,
    ) -> None:
        self._issuers, self._sessions, self._store = issuers, sessions, store
        self._throttle, self._delayed, self._events, self._clock = throttle, delayed, issuers.events, clock

    async def open(self, text: str, beginning: Beginning) -> Granted:
        """Open a session for the user of whom an assertion speaks; how it began, the assertion says.

        Args:
            text: the assertion.
            beginning: with the device, what the scope is to be narrowed to, and the key to bind to.

        Raises:
            InvalidAssertion: with the reason.
            InvalidScope: more was asked for than the user has.
            IssuerUnavailable: the issuer's keys are not to be had.
            TooManyAttempts: too many of this address were refused, or of this user good; a second late.
            Busy: as many are under way; likewise.
            Unavailable: the database does not answer.
        """
        ip, assertion = beginning.client.ip, None
        try:
            async with self._delayed.refusals(), self._throttle.assertion(ip):
                assertion = read_assertion(text)
                return await self._open(assertion, beginning)
        except InvalidAssertion as refusal:
            issuer = assertion.issuer if assertion and self._issuers.find(assertion.issuer) else None
            self._events.refused(refusal.reason or "", issuer, ip)
            raise

    async def _open(self, assertion: Assertion, beginning: Beginning) -> Granted:
        keys = self._issuers.find(assertion.issuer)
        if keys is None:
            raise InvalidAssertion(AssertionProblem.UNTRUSTED_ISSUER, "its iss is not trusted here")
        # What can be refused without asking anybody comes first.
        asserted = judge(assertion, keys.entry, self._clock(), beginning.jkt)
        await _require_signature(assertion, keys)
        async with self._throttle.opening(asserted.sub):
            return await self._open_for(assertion, asserted, keys.entry, beginning)

    async def _open_for(
        self, assertion: Assertion, asserted: Asserted, entry: TrustedIssuer, beginning: Beginning
    ) -> Granted:
        spent = SpentAssertion(assertion.digest, asserted.counts_until)
        made = False

        def account(found: Credentials | None) -> Credentials:
            nonlocal made
            made = found is None
            wanted = found or _made(asserted, entry, self._clock())
            if beginning.scope is not None and not is_within(beginning.scope, wanted.user.scope):
                raise InvalidScope
            return wanted

        async def create(session: Session, limit: SessionLimit | None) -> list[str]:
            return await self._store.open_by_assertion(session, spent, account, limit=limit)

        began = beginning._replace(amr=asserted.amr, auth_time=asserted.authenticated_at // 1000)
        try:
            granted = await self._sessions.open_with(asserted.sub, began, create)
        except UserDisabled:
            raise InvalidAssertion(AssertionProblem.USER_DISABLED, "the user is disabled here") from None
        except UsernameTaken:
            problem = f"the name in {entry.username or 'sub'} is another user's here"
            raise InvalidAssertion(AssertionProblem.USERNAME_TAKEN, problem) from None
        if made:
            self._events.created(asserted.sub, entry.issuer, beginning.client.ip)
        return granted


async def _require_signature(assertion: Assertion, keys: IssuerKeys) -> None:
    key = None
    for _ in range(2):  # some issuers give a new key the name of the old one, or none
        key = await keys.find(assertion.kid, assertion.alg, other_than=key)
        if key is None:
            raise InvalidAssertion(AssertionProblem.FORGED, "its issuer publishes no such key")
        if is_signed_by(key, assertion.jws):
            return
    raise InvalidAssertion(AssertionProblem.FORGED, "its signature was not made by its issuer's key")


def _made(asserted: Asserted, entry: TrustedIssuer, now: int) -> Credentials:
    if entry.unknown_users == "refuse":
        raise InvalidAssertion(AssertionProblem.UNKNOWN_USER, "its sub has no account here, and none is created")
    return new_account(asserted, entry, now)
