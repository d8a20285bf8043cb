"""A storage that can be told to fail, and what is in one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dualtoken.client import MemoryStorage, StoredSession
from tests.conformance.pair import Control


class FailingStorage(MemoryStorage):
    """A storage that can be told to fail, or to stall until the call is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: set[str] = set()
        self.stalling: set[str] = set()
        self.holding: asyncio.Event | None = None  # a save waits for it
        self.saves = 0
        self._failed = asyncio.Event()
        self._saved = asyncio.Event()

    async def _check(self, call: str) -> None:
        if call in self.stalling:
            await asyncio.Event().wait()
        if call in self.failing:
            self._failed.set()
            raise OSError(28, "No space left on device")

    async def next_failure(self) -> None:
        """Wait until a call has failed."""
        self._failed.clear()
        await self._failed.wait()
        await asyncio.sleep(0)  # whoever called counts it now

    async def next_save(self) -> None:
        """Wait until something has been stored."""
        self._saved.clear()
        await self._saved.wait()

    async def load(self, account: str) -> StoredSession | None:
        await self._check("load")
        return await super().load(account)

    async def save(self, account: str, session: StoredSession) -> None:
        await self._check("save")
        if self.holding is not None:
            await self.holding.wait()
        await super().save(account, session)

    @asynccontextmanager
    async def lock(self, account: str, timeout_s: float) -> AsyncIterator[None]:
        await self._check("lock")
        async with super().lock(account, timeout_s):
            yield

    async def swap(self, account: str, expected: str | None, session: StoredSession) -> bool:
        await self._check("journal" if session.idempotency_key else "swap")
        self.saves += 1
        self._saved.set()
        return await super().swap(account, expected, session)


def stored(storage: MemoryStorage, pair: Control) -> StoredSession:
    """Return what is stored."""
    return storage._sessions[f"{pair.auth_url}/"]
