"""Where a session is kept between two runs, and how processes share it."""

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
        login_id: chosen at login, kept over refreshes, replaced at logout. Those made later sort later.
        idempotency_key: the journal. Set while a refresh of ``tokens.refresh_token`` may have been sent and not been
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
        """What is newer sorts later: another login or logout, then a refresh, then the end of the session."""
        return self.login_id, self.refreshes, self.tokens is None


class Storage(Protocol):
    """Keeps one session for each account. An account is any text; a token source uses its auth service's address.

    Any number of tasks and processes may call at once. A token source takes any exception for a :class:`StorageError`,
    and quotes no message but that of one, and of an ``OSError``.
    """

    async def load(self, account: str) -> StoredSession | None:
        """Return what was stored last; None if nothing was. Waits for no lock.

        Raises:
            OSError, StorageError: it cannot be read.
        """

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session* durably, whatever was there: on return it survives a crash; before, the old one does.

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
        """Keep other refreshers of *account* out, in this process and all others. A holder that dies lets go.

        ``load``, ``save`` and ``swap`` never wait for it.

        Raises:
            TimeoutError: on entering, when somebody else has held it for *timeout_s* seconds.
            OSError, StorageError: on entering, it cannot be had.
        """
