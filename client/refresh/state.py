"""The session as this process holds it in memory.

What is newer is an order, :attr:`StoredSession.order`, and neither memory nor storage ever goes back in it. A token
file that comes back (a restored backup, a synchronised folder, a snapshot) is older, and is overwritten.
"""

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from ..stats import Stats
from ..storage import StoredSession
from ..tokens import TimedTokens, Tokens, timed, timed_from_storage

_KEY = re.compile(r"[\x21-\x7e]{1,128}")

_MAX_PAUSE_S: Final = 60.0  # that a Retry-After can impose


@dataclass(slots=True)
class SessionState:
    """What this process knows of the session.

    Attributes:
        clock: seconds that pass, asleep or awake.
        wall_clock: seconds since the epoch.
        session: None: nothing is known, since the storage has not been read yet.
        timed: the tokens of *session*, and how long they may be used; None if it has none.
        not_before: by *clock*; until then the auth service asked to be left alone.
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    stats: Stats
    session: StoredSession | None = None
    timed: TimedTokens | None = None
    not_before: float = float("-inf")

    def adopt(self, stored: StoredSession) -> bool:
        """Take over what the storage holds, and return True; False if it is older than what is here."""
        held = self.session
        if held is not None and stored.order <= held.order:
            if _journals(stored, held):  # another process may have sent this refresh, and died
                self.session = stored
            return stored.order == held.order
        self.session = stored
        self.timed = None
        if stored.tokens is not None:
            self.timed = timed_from_storage(stored.tokens, now=self.clock(), wall=self.wall_clock())
            self.stats.adopted += 1
        return True

    def publish(self, session: StoredSession, asked_at: float) -> None:
        """Take up what has just been answered; *asked_at* is by :attr:`clock`."""
        now = self.clock()
        self.session = session
        self.timed = None if session.tokens is None else timed(session.tokens, now=now, age=now - asked_at)

    def pause(self, retry_after: float) -> None:
        """Leave the auth service alone for so many seconds, as it asked, but for no longer than a minute."""
        self.not_before = self.clock() + min(retry_after, _MAX_PAUSE_S)

    def is_fresh(self, access_token: str) -> bool:
        """Tell whether *access_token* is the current one, and a refresh has just brought it."""
        if self.session is None or self.timed is None or not self.session.refreshes:
            return False
        return self.timed.tokens.access_token == access_token and self.timed.is_fresh(self.clock())


def newest(stored: StoredSession | None, session: StoredSession) -> StoredSession:
    """Return which of the two the storage has to hold: *session*, unless *stored* is newer, or is its journal."""
    if stored is not None and (stored.order > session.order or _journals(stored, session)):
        return stored
    return session


def _journals(stored: StoredSession, session: StoredSession) -> bool:
    """Tell whether *stored* is *session* with a refresh under way of which *session* does not tell."""
    return (
        stored.order == session.order
        and stored.refresh_token == session.refresh_token
        and journal_of(stored) not in (None, session.idempotency_key)
    )


def journal_of(session: StoredSession) -> str | None:
    """Return the Idempotency-Key of a refresh under way; None if there is none, or none that could be sent."""
    key = session.idempotency_key
    return key if key is not None and _KEY.fullmatch(key) else None


def opened(tokens: Tokens, after: StoredSession | None, jkt: str | None = None) -> StoredSession:
    """Return the session of a login that came after *after*, and proved the key *jkt* if there is one."""
    return StoredSession(tokens, login_id=new_login_id(after), jkt=jkt)


def logged_out(after: StoredSession | None) -> StoredSession:
    """Return what is left after a logout: newer than any refresh of the session that it ended."""
    return StoredSession(None, "logged_out", login_id=new_login_id(after))


def ended(session: StoredSession, reason: str) -> StoredSession:
    """Return what is left of a session that the auth service has ended."""
    return replace(session, tokens=None, ended=reason, idempotency_key=None)


def renewed(session: StoredSession, answer: Tokens) -> StoredSession:
    """Return the session after a refresh. Answers to refreshes do not repeat whose session it is."""
    before = session.tokens or answer
    tokens = replace(answer, user=answer.user or before.user, scope=answer.scope or before.scope)
    return replace(session, tokens=tokens, idempotency_key=None, refreshes=session.refreshes + 1)


def new_login_id(after: StoredSession | None) -> str:
    """Return a name that sorts after that of *after*, and after all that were made before.

    The time leads it. Where the clock has been put back since *after*, its name is made longer instead.
    """
    made = f"{time.time_ns():016x}{secrets.token_hex(4)}"
    before = "" if after is None else after.login_id
    return made if made > before else before + secrets.token_hex(4)
