"""One account's place in a storage, loud when it fails and never in the way of the session."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import stamina

from client.errors import RefreshUnavailable, StorageError
from client.held import Held
from client.stats import Stats
from client.storage import Storage, StoredSession

_log = logging.getLogger("dualtoken.client")

LOAD_TIMEOUT_S: Final = 10.0  # callers wait meanwhile
SAVE_TIMEOUT_S: Final = 10.0  # likewise, for the new token
SAVE_AGAIN_S: Final = 0.5
SAVE_AGAIN_MAX_S: Final = 60.0


class _NotKept(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Found:
    """What the storage held.

    Attributes:
        is_news: somebody else has put it there: it is newer than what is in memory.
        trouble: why it could not be read, if it could not.
    """

    session: StoredSession | None
    is_news: bool = False
    trouble: Exception | None = None


class Persistence:
    """What the storage holds, as far as this process has seen.

    Attributes:
        seen: the refresh token that was last read or written there; None if there was no session. A stored token that
            is neither this nor the one in memory was put there by somebody else, and is newer.
    """

    def __init__(self, storage: Storage, account: str, stats: Stats) -> None:
        self._storage = storage
        self._account = account
        self._stats = stats
        self.seen: str | None = None
        self._owed: StoredSession | None = None  # a login or logout that is not stored yet: it wins over what is

    @asynccontextmanager
    async def lock(self, timeout_s: float) -> AsyncIterator[None]:
        """Keep other refreshers out, in all processes.

        Where there can be no lock (a read-only folder, say), a refresh goes on without one.

        Raises:
            RefreshUnavailable: another process has held it for *timeout_s* seconds.
        """
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._storage.lock(self._account, timeout_s))
            except TimeoutError as error:
                raise RefreshUnavailable(f"another process has been refreshing for {timeout_s:.3g} s") from error
            except (OSError, StorageError) as error:
                self._stats.journal_failures += 1
                _log.error("no lock can be had, refreshing without: %s", error)
            yield

    async def load(self, known: str | None) -> Found:
        """Read what is stored; nothing, and an error in the log, if it cannot be read, or not in time.

        Args:
            known: the refresh token in memory.
        """
        if self._owed is not None and not await self.overwrite(self._owed):
            return Found(None)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                session = await self._storage.load(self._account)
        except (OSError, StorageError) as error:  # a TimeoutError is an OSError
            _log.error("stored tokens cannot be read, going on without: %s", _told(error))
            return Found(None, trouble=error)
        token = session.refresh_token if session else None
        is_news = session is not None and token not in (self.seen, known)
        self.seen = token
        return Found(session, is_news)

    async def journal(self, session: StoredSession) -> bool:
        """Write down that a refresh is about to be sent. False if the storage holds somebody else's session now."""
        try:
            return await self._swap(session)
        except (OSError, StorageError) as error:
            self._stats.journal_failures += 1
            _log.error("a refresh is sent without being written down first: %s", error)
            return True

    async def keep(self, session: StoredSession) -> bool | None:
        """Store a refreshed or ended session.

        Returns:
            True: stored. False: the storage holds somebody else's session now. None: it could not be written.
        """
        try:
            async with asyncio.timeout(SAVE_TIMEOUT_S):
                return await self._swap(session)
        except (OSError, StorageError) as error:
            self._stats.save_failures += 1
            _log.error("tokens could not be stored; they are kept in memory and tried again: %s", _told(error))
            return None

    async def keep_trying(self, session: StoredSession, is_current: Callable[[], bool]) -> None:
        """Go on storing *session* until it is stored, or is not current any more."""
        async for attempt in stamina.retry_context(
            _NotKept, attempts=None, timeout=None, wait_initial=SAVE_AGAIN_S, wait_max=SAVE_AGAIN_MAX_S
        ):
            with attempt:
                if is_current() and not await self._settled(session):
                    raise _NotKept

    async def settle(self, held: Held) -> None:
        """Make a last attempt to store what is not stored yet."""
        if self._owed is not None:
            await self.overwrite(self._owed)
        elif held.lease is not None and self.seen != held.refresh_token:
            await self.keep(held.session(held.lease.tokens))

    async def _settled(self, session: StoredSession) -> bool:
        if session is self._owed:
            return await self.overwrite(session)
        return await self.keep(session) is not None

    async def overwrite(self, session: StoredSession) -> bool:
        """Store a session that wins over whatever is there: a login or a logout. False if it could not be written."""
        self._owed = session
        try:
            async with asyncio.timeout(SAVE_TIMEOUT_S):
                await self._storage.save(self._account, session)
        except (OSError, StorageError) as error:
            self._stats.save_failures += 1
            _log.error("the change of session could not be stored: %s", _told(error))
            return False
        if self._owed is session:
            self._owed = None
        self.seen = session.refresh_token
        return True

    async def _swap(self, session: StoredSession) -> bool:
        if not await self._storage.swap(self._account, self.seen, session):
            return False
        self.seen = session.refresh_token
        return True


def _told(error: Exception) -> str:
    return str(error) or "no answer in time"  # a TimeoutError says nothing
