"""What the use cases need of a database, as contracts that hold under concurrency.

Times are milliseconds since the epoch. Every method raises ``Unavailable`` when the database cannot answer within
``TRANSACTION_S``.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

from ..domain.models import Credentials, Presented, Revocation, RevocationReason, Session, User
from ..domain.rotation import Outcome, RotationPolicy

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
    policy: RotationPolicy


class Kept(NamedTuple):
    """The session from which a user changes the password, alive by *policy*; it goes on where the others end."""

    session_id: str
    policy: RotationPolicy


class UserStore(Protocol):
    """Accounts."""

    async def find_credentials(self, username: str) -> Credentials | None:
        """Return the user with the password hash, or None; a disabled user is returned too.

        The name is looked for as it was typed, then in the form in which names are stored today (``normal_name``).
        """

    async def find_user(self, user_id: str) -> User | None:
        """Return the user, or None."""

    async def list_users(self, *, after: str = "", limit: int | None = None) -> list[User]:
        """Return users by name: those behind *after*, *limit* of them at most, or all."""

    async def add_user(self, user: User, password_hash: str, *, now: int) -> bool:
        """Add a user; False, and nothing done, if the name is taken."""

    async def set_disabled(self, username: str, *, disabled: bool, now: int) -> int | None:
        """Disable or enable an account; disabling revokes its sessions in the same transaction.

        Return how many; None if the name is unknown.
        """

    async def set_claims(self, user_id: str, claims: str | None) -> bool:
        """Replace the user's own claims, which each further access token tells. False if there is no user."""

    async def set_password(
        self, user_id: str, password_hash: str, *, replacing: str | None, keep: Kept | None, now: int
    ) -> int | None:
        """Change the password and revoke all sessions but *keep*, in one transaction. Return how many.

        None, and nothing done, if the stored hash is no longer *replacing* (None: any), or if a session is to be kept
        and, at the commit, has ended or belongs to a disabled user.
        """

    async def strengthen_hash(self, user_id: str, password_hash: str, *, replacing: str) -> bool:
        """Store another hash of the same password; sessions go on.

        False, and nothing done, if the stored hash is no longer *replacing*: a change of password came first.
        """


class Added(Enum):
    """What became of an account that was to be added: it may be there already, or another may have its name."""

    NEW = auto()
    PRESENT = auto()
    NAME_TAKEN = auto()


class Edited(NamedTuple):
    """What an edit did: *ended* sessions ended for *reason*."""

    before: Credentials | None
    after: Credentials
    reason: RevocationReason | None
    ended: int


class AccountStore(Protocol):
    """Accounts by their ids, as a backend changes them."""

    async def find_account(self, user_id: str) -> Credentials | None:
        """Return the account, or None."""

    async def list_accounts(self, *, after: str, limit: int) -> list[Credentials]:
        """Return the next *limit* accounts behind the id *after*, in the database's order of ids."""

    async def sample_hashes(self) -> list[tuple[str, str]]:
        """Return ids and password hashes of some accounts that have one: all, or a thousand or more.

        They are from all over the table, and mostly the same each time.
        """

    async def add_accounts(self, accounts: Sequence[Credentials], *, now: int) -> list[Added]:
        """Add accounts in one transaction, and leave alone what is there; the outcomes stand in the accounts' order.

        A thousand at most: nobody else writes to SQLite meanwhile.
        """

    async def edit_user(self, user_id: str, edit: Callable[[Credentials | None], Credentials], *, now: int) -> Edited:
        """Read an account, and write what *edit* makes of it; nobody changes it in between.

        What ends its sessions (``reason_to_end``) ends them in the same transaction. *edit* gets None for an account
        that does not exist, may be called more than once, and does no I/O; what it raises leaves everything as it was.

        Raises:
            UsernameTaken: another account has the name.
        """

    async def erase_user(self, user_id: str, check: Callable[[Credentials], None], *, now: int) -> int | None:
        """Delete an account and end its sessions, in one transaction. Return how many; None if there is none.

        The rows of its sessions stay without anything that tells whose they were, and only until ``delete_expired``
        finds that no access token of theirs can live. What *check* raises leaves everything as it was.
        """


class SessionStore(Protocol):
    """Sessions: one row each, however often they rotate."""

    async def create_session(
        self, session: Session, *, verified_hash: str | None, limit: SessionLimit | None = None
    ) -> list[str] | None:
        """Insert a session at generation 0, and revoke in the same transaction the user's others beyond *limit*.

        Returns the ids of those, which are the ones not seen for longest. Log-ins at the same moment do not see each
        other, and a session that is being rotated is left alone: the next log-in ends what is still beyond.

        None, and nothing done, if meanwhile the user was disabled or the password is no longer that of
        *verified_hash* (None: no password was asked for): a log-in never slips past a change of password.
        """

    async def rotate(self, batch: Sequence[Presented], *, now: int, policy: RotationPolicy) -> list[Outcome | None]:
        """Apply the rotation rule to *batch* in one transaction; outcomes in the batch's order.

        Of any number of concurrent presentations of one token, in any number of processes, exactly one advances
        the session. A reuse has revoked the session when this returns, and whatever else the batch presented of that
        session is refused. On any error nothing of the batch has happened, unless the connection was lost while the
        transaction committed: then all of it has happened or nothing.

        None is the outcome where another transaction holds the session's row: nothing has happened of that one, and it
        may be presented again. No other one of the batch waits for it.
        """

    async def find_session(self, session_id: str) -> Session | None:
        """Return the session, revoked and expired ones included, or None."""

    async def list_sessions(self, user_id: str, *, now: int, policy: RotationPolicy) -> list[Session]:
        """Return the user's live sessions, the latest seen first, and no more than 1,000."""

    async def revoke(self, session_id: str, reason: RevocationReason, *, now: int, user_id: str | None = None) -> bool:
        """Revoke a live session (of that user, if one is given). False if there is none."""

    async def revoke_user(self, user_id: str, reason: RevocationReason, *, now: int) -> int:
        """Revoke all live sessions of a user. Return how many."""

    async def revocations(self, *, since: int, after: str = "", limit: int | None = None) -> list[Revocation]:
        """Return what was revoked at or after *since*, in order of time and, within a millisecond, of ids.

        Of that millisecond only ids behind *after*; no more than *limit*, if one is given.
        """

    async def delete_expired(self, *, before: int, limit: int) -> int:
        """Delete up to *limit* sessions whose absolute expiry lies before *before*. Return how many.

        One process at a time: 0 if another is at it.
        """


class Reading(NamedTuple):
    """What a database says of the time.

    Attributes:
        at: milliseconds since the epoch.
        is_clock: the server's clock says so; else it is about the newest time in the database, and 0 in an empty one.
    """

    at: int
    is_clock: bool


class SpentAssertion(NamedTuple):
    """An assertion that opens a session: *digest* names it, and after *expires_at* it would be refused for its age."""

    digest: str
    expires_at: int


class AssertionStore(Protocol):
    """Assertions that have opened a session (RFC 7523)."""

    async def open_by_assertion(
        self,
        session: Session,
        spent: SpentAssertion,
        account: Callable[[Credentials | None], Credentials],
        *,
        limit: SessionLimit | None = None,
    ) -> list[str]:
        """Spend an assertion, make its user where there is none, and insert the session: in one transaction.

        Of any number of presentations of one assertion, in any number of processes, one opens a session. *account* gets
        the user's account, or None, and returns the one that the session is opened for; it may be called more than
        once, does no I/O, and what it raises leaves everything as it was. A user who exists is not changed.

        Returns the ids of the sessions that end by *limit*, see ``create_session``.

        Raises:
            InvalidAssertion: it has opened a session before.
            UsernameTaken: the user to be made has another one's name.
            UserDisabled: no session is opened for this user.
        """

    async def delete_spent_assertions(self, *, before: int, limit: int) -> int:
        """Forget up to *limit* assertions that expired before *before*. Return how many; one process at a time."""


class Store(UserStore, AccountStore, SessionStore, AssertionStore, Protocol):
    """All of it."""

    async def ping(self) -> None:
        """Return if the database reads and writes."""

    async def read_clock(self) -> Reading:
        """Return what the database says of the time."""
