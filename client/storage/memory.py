"""A session that ends with the process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from . import StoredSession


class MemoryStorage:
    """Stores sessions in memory. Sources that share one instance share their sessions."""

    def __init__(self) -> None:
        self._sessions: dict[str, StoredSession] = {}
        # By event loop: a lock that was waited for belongs to its loop, and this may be used under several in turn.
        self._locks: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Lock]] = {}

    async def load(self, account: str) -> StoredSession | None:
        """Return what was stored last."""
        return self._sessions.get(account)

    async def save(self, account: str, session: StoredSession) -> None:
        """Store *session*."""
        self._sessions[account] = session

    async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
        """Store *session* if the stored refresh token is *expected*."""
        stored = self._sessions.get(account)
        if (stored.refresh_token if stored else None) != expected:
            return False
        self._sessions[account] = session
        return True

    @asynccontextmanager
    async def lock(self, account: str, timeout_s: float) -> AsyncIterator[None]:
        """Keep other refreshers of *account* out."""
        lock = self._lock(account)
        async with asyncio.timeout(timeout_s):
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _lock(self, account: str) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        owner, lock = self._locks.get(account, (None, None))
        if owner is not loop or lock is None:
            lock = asyncio.Lock()
            self._locks[account] = (loop, lock)
        return lock
