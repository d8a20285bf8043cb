"""What the use cases need of a database, as contracts that hold under concurrency.

Times are milliseconds since the epoch. Every method raises ``Unavailable`` when the database cannot answer within
``TRANSACTION_S``.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from auth_service.models import Credentials, Presented, Revocation, RevocationReason, Session, User
from auth_service.rotation import Outcome, Policy

TRANSACTION_S = 10
"""The most time from the call of a method until its last transaction has everything that it waits for.

A transaction that would come later does nothing. The feed of revocations stands on it: a revocation is as old as its
call, and is looked for no longer than this and ``COMMIT_S`` afterwards.
"""
COMMIT_S = 5
"""More than it then takes to commit; replicas' clocks may differ by what is left."""


class SessionLimit(NamedTuple):
    """How many live sessions a user may have, at least one; *policy* says which are expired."""

    most: int
    policy: Policy


class UserStore(Protocol):
    """Accounts."""

    async def find_credentials(self, username: str) -> Credentials | None:
        """Return the user with the password hash, or None; a disabled user is returned too."""

    async def find_user(self, user_id: str) -> User | None:
        """Return the user, or None."""

    async def list_users(self) -> list[User]:
        """Return all users, by name."""

    async def add_user(self, user: User, password_hash: str, *, now: int) -> bool:
        """Add a user; False, and nothing done, if the name is taken."""

    async def set_disabled(self, username: str, *, disabled: bool, now: int) -> int | None:
        """Disable or enable an account; disabling revokes its sessions in the same transaction.

        Return how many; None if the name is unknown.
        """

    async def set_password(
        self, user_id: str, password_hash: str, *, replacing: str | None, keep: str | None, now: int
    ) -> int | None:
        """Change the password and revoke all sessions but *keep*, in one transaction. Return how many.

        None, and nothing done, if the stored hash is no longer *replacing* (None: whatever it is).
        """

    async def strengthen_hash(self, user_id: str, password_hash: str, *, replacing: str) -> bool:
        """Store another hash of the same password; sessions go on.

        False, and nothing done, if the stored hash is no longer *replacing*: a change of password came first.
        """


class SessionStore(Protocol):
    """Sessions: one row each, however often they rotate."""

    async def create_session(
        self, session: Session, *, verified_hash: str, limit: SessionLimit | None = None
    ) -> list[str] | None:
        """Insert a session at generation 0, and revoke in the same transaction the user's others beyond *limit*.

        Returns the ids of those, which are the ones not seen for longest. Log-ins at the same moment do not see each
        other, and a session that is being rotated is left alone: the next log-in ends what is still beyond.

        None, and nothing done, if meanwhile the user was disabled or the password is no longer that of
        *verified_hash*: a log-in never slips past a change of password.
        """

    async def rotate(self, batch: Sequence[Presented], *, now: int, policy: Policy) -> list[Outcome]:
        """Apply the rotation rule to *batch* in one transaction; outcomes in the batch's order.

        Of any number of concurrent presentations of one token, in any number of processes, exactly one advances
        the session. A reuse has revoked the session when this returns, and whatever else the batch presented of that
        session is refused. On any error nothing of the batch has happened, unless the connection was lost while the
        transaction committed: then all of it has happened or nothing.
        """

    async def find_session(self, session_id: str) -> Session | None:
        """Return the session, revoked and expired ones included, or None."""

    async def list_sessions(self, user_id: str, *, now: int, policy: Policy) -> list[Session]:
        """Return the user's live sessions, the latest seen first, and no more than 1,000."""

    async def revoke(self, session_id: str, reason: RevocationReason, *, now: int, user_id: str | None = None) -> bool:
        """Revoke a live session (of that user, if one is given). False if there is none."""

    async def revoke_user(self, user_id: str, reason: RevocationReason, *, now: int) -> int:
        """Revoke all live sessions of a user. Return how many."""

    async def revocations(self, *, since: int) -> list[Revocation]:
        """Return what was revoked at or after *since*, in order of time."""

    async def delete_expired(self, *, before: int, limit: int) -> int:
        """Delete up to *limit* sessions whose absolute expiry lies before *before*. Return how many.

        One process at a time: 0 if another is at it.
        """


class Store(UserStore, SessionStore, Protocol):
    """All of it."""

    async def ping(self) -> None:
        """Return if the database answers."""
