"""Storing a session between runs, and sharing it among processes."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from ..tokens import Tokens


@dataclass(frozen=True, slots=True)
class StoredSession:
    """One account's session as it is stored.

    Attributes:
        tokens: None once the session has ended.
        ended: why it has ended (``LoginRequired.reason``); None while it lives.
        login_id: set at login, kept by refreshes, replaced at logout. Later ids sort later.
        idempotency_key: the journal. Set while a refresh of ``tokens.refresh_token`` may have been sent but not
            answered.
        refreshes: how often the session has been refreshed.
        jkt: the thumbprint of the key that was proven at login (RFC 9449 §6.1), or None.
    """

    tokens: Tokens | None
    ended: str | None = None
    login_id: str = ""
    idempotency_key: str | None = field(default=None, repr=False)
    refreshes: int = 0
    jkt: str | None = None

    @property
    def refresh_token(self) -> str | None:
        """The refresh token, if there is a session."""
        return None if self.tokens is None else self.tokens.refresh_token

    @property
    def order(self) -> tuple[str, int, bool]:
        """Newer sessions sort later: by login or logout, then by refreshes, then by the end of the session."""
        return self.login_id, self.refreshes, self.tokens is None


class Storage(Protocol):
    """Stores one session for each account. An account is any string; a token source uses its auth service's URL.

    Any number of tasks and processes may call at once. A token source treats any exception as a :class:`StorageError`,
    and quotes only messages of these and of ``OSError``.
    """

    async def load(self, account: str) -> StoredSession | None:
        """Return the session stored last; None if there is none. Waits for no lock.

        Raises:
            OSError, StorageError: it cannot be read.
        """

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session* durably and unconditionally: on return it survives a crash; before that, the old one does.

        Raises:
            OSError, StorageError: nothing has changed.
        """

    async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
        """Store *session* durably if the stored refresh token is *expected* (None: there is none), as one step.

        Returns:
            Whether it was stored.

        Raises:
            OSError, StorageError: nothing has changed.
        """

    def lock(self, account: str, timeout_s: float) -> AbstractAsyncContextManager[None]:
        """Exclude other refreshers of *account*, in this process and all others. The lock of a dead holder is released.

        ``load``, ``save`` and ``swap`` never wait for it.

        Raises:
            TimeoutError: on entering, when another holder has kept it for *timeout_s* seconds.
            OSError, StorageError: on entering, it cannot be taken.
        """
