"""The session as this process holds it in memory."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from client.stats import Stats
from client.storage import StoredSession
from client.tokens import Lease, Tokens, lease, stored_lease


@dataclass(slots=True)
class Held:
    """What is known of the session.

    At most one of ``lease`` and ``ended`` is set; neither, before the storage was read.

    Attributes:
        clock: monotonic seconds.
        wall_clock: seconds since the epoch.
        idempotency_key: of a refresh that may have been sent and has not been answered.
        not_before: monotonic; until then the auth service asked to be left alone.
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    stats: Stats
    lease: Lease | None = None
    ended: str | None = None
    login_id: str = ""
    refreshes: int = 0

    idempotency_key: str | None = None
    not_before: float = float("-inf")

    @property
    def refresh_token(self) -> str | None:
        """The refresh token, if there is a session."""
        return None if self.lease is None else self.lease.tokens.refresh_token

    def adopt(self, stored: StoredSession) -> None:
        """Take over what the storage holds."""
        self._take(stored)
        if stored.tokens is None:
            self.lease = None
            return
        self.lease = stored_lease(stored.tokens, now=self.clock(), wall=self.wall_clock())
        self.stats.adopted += 1

    def publish(self, session: StoredSession, asked_at: float) -> None:
        """Take up tokens that the auth service has just answered; *asked_at* is on the monotonic clock."""
        self._take(session)
        now = self.clock()
        self.lease = None if session.tokens is None else lease(session.tokens, now=now, age=now - asked_at)

    def session(self, tokens: Tokens) -> StoredSession:
        """Return what is to be stored while *tokens* are current, the journal included."""
        return StoredSession(tokens, None, self.login_id, self.idempotency_key, self.refreshes)

    def refreshed(self, tokens: Tokens) -> StoredSession:
        """Return what is to be stored after a refresh. Answers to refreshes do not repeat whose session it is."""
        before = self.lease.tokens if self.lease else tokens
        named = replace(tokens, user=tokens.user or before.user, scope=tokens.scope or before.scope)
        return StoredSession(named, None, self.login_id, None, self.refreshes + 1)

    def ended_by(self, reason: str) -> StoredSession:
        """Return what is to be stored of a session that has ended."""
        return StoredSession(None, reason, self.login_id, None, self.refreshes)

    def _take(self, session: StoredSession) -> None:
        self.ended, self.login_id, self.refreshes = session.ended, session.login_id, session.refreshes
        self.idempotency_key = session.idempotency_key
