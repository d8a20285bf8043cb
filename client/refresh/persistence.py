"""One account's place in a storage: it never goes back, and a storage that fails ends no session."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from contextvars import Context
from typing import Final, TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from ..errors import RefreshUnavailable, StorageError
from ..stats import Stats
from ..storage import Storage, StoredSession
from ..storage.boundary import Stalled, guarded
from .state import SessionState, newest

_log = logging.getLogger("dualtoken.client")
_T = TypeVar("_T")

CALL_TIMEOUT_S = 10.0  # callers wait meanwhile
CALLS_IN_TIMEOUT: Final = 3  # one that stalls must not use up all the time that a refresh has
STALLED_SHARE: Final = 0.1  # of that time, for a call that did not answer the last time
LOCK_GRACE_S: Final = 1.0  # beyond the time limit that a lock keeps itself
SAVE_AGAIN_S: Final = 0.5
SAVE_AGAIN_MAX_S: Final = 60.0
SWAPS: Final = 10  # that found something else each time: the storage does not compare as it should

_UNREADABLE: Final = "stored tokens cannot be read, going on without: %s"
_UNJOURNALLED: Final = "a refresh is sent without being written down first: %s"
_UNWRITTEN: Final = "tokens are kept in memory and tried again, since they could not be stored: %s"
_UNLOCKED: Final = "no lock can be had, refreshing without: %s"


class Persistence:
    """Reads and writes one account. Each kind of trouble is counted, and logged once until it is over.

    Args:
        timeout_s: for a whole refresh.
    """

    def __init__(self, storage: Storage, account: str, stats: Stats, *, timeout_s: float) -> None:
        self._storage = storage
        self._timeout_s = min(CALL_TIMEOUT_S, timeout_s / CALLS_IN_TIMEOUT)
        self._stalling: set[str] = set()  # the calls that did not answer the last time
        self._account = account
        self._stats = stats
        self._told: dict[str, str] = {}  # what the log has said of each trouble that lasts
        self._pending_write: StoredSession | None = None
        self._writer: asyncio.Task[StoredSession | None] | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the storage lacks something that could not be written."""
        return self._pending_write is not None

    async def meet(self, state: SessionState) -> None:
        """Let *state* take over what the storage holds if that is newer; overwrite it if it is older.

        Raises:
            StorageError: it cannot be read, and nothing is known: there may be a session.
        """
        try:
            with self._loud(_UNREADABLE):
                stored = await self._ask("load", self._storage.load, self._account)
        except StorageError as error:
            if state.session is None:
                raise StorageError(f"stored tokens cannot be read: {error}") from None
            return
        if stored is not None and not state.adopt(stored) and state.session is not None:
            state.adopt(await self.keep(state.session))

    async def journal(self, session: StoredSession) -> StoredSession:
        """Write down that a refresh is about to be sent; if that fails it is sent all the same.

        Returns:
            What the storage holds then: *session*, or something newer, or the journal of another process.
        """
        try:
            with self._loud(_UNJOURNALLED):
                return await self._put(session)
        except StorageError:
            self._stats.journal_failures += 1
            return session

    async def keep(self, session: StoredSession) -> StoredSession:
        """Store *session*; if that fails, go on trying until it is stored, or something newer is.

        Returns:
            What counts then: *session*, or something newer that the storage holds.
        """
        self._pending_write = session
        try:
            return await self._write_pending() or session
        except StorageError:
            self._write_later()
            return session

    async def overwrite(self, session: StoredSession) -> None:
        """Store a login or logout unconditionally; if that fails, keep trying."""
        self._pending_write = session
        try:
            with self._counted():
                await self._ask("save", self._storage.save, self._account, session)
        except StorageError:
            self._write_later()
        else:
            self._written(session)

    async def settle(self) -> None:
        """Stop trying, after a last attempt."""
        if self._writer is not None and self._writer.get_loop() is asyncio.get_running_loop():
            self._writer.cancel()
            await asyncio.wait([self._writer])
        with suppress(StorageError):
            await self._write_pending()

    @asynccontextmanager
    async def lock(self, timeout_s: float) -> AsyncIterator[None]:
        """Keep other refreshers out, in all processes.

        Where there can be no lock (a read-only folder, say) a refresh goes on without one: the journal lets those who
        refresh at once send the same request.

        Raises:
            RefreshUnavailable: another process has held it for *timeout_s* seconds.
        """
        async with AsyncExitStack() as stack:
            try:
                with self._loud(_UNLOCKED):
                    # A lock keeps its time limit itself; one that does not is none.
                    leave = await self._ask("lock", self._enter, timeout_s, within_s=timeout_s + LOCK_GRACE_S)
            except StorageError:
                self._stats.journal_failures += 1
            else:
                if leave is None:
                    raise RefreshUnavailable(f"another process has been refreshing for {timeout_s:.3g} s")
                stack.push_async_callback(leave)
            yield

    async def _enter(self, timeout_s: float) -> Callable[[], Awaitable[None]] | None:
        """Take the storage's lock. Return how to let go of it; None if somebody else holds it."""
        lock = self._storage.lock(self._account, timeout_s)
        try:
            await lock.__aenter__()
        except TimeoutError:
            return None

        async def leave() -> None:
            with suppress(StorageError), self._loud("a lock is not let go of: %s"):
                await self._ask("unlock", lock.__aexit__, None, None, None)

        return leave

    async def _ask(
        self, name: str, call: Callable[..., Awaitable[_T]], *arguments: object, within_s: float | None = None
    ) -> _T:
        """Await the call *name* of the storage. One that did not answer the last time gets a tenth of the time.

        Raises:
            StorageError: see :func:`guarded`.
        """
        within_s = self._timeout_s if within_s is None else within_s
        try:
            answer = await guarded(within_s * (STALLED_SHARE if name in self._stalling else 1), call, *arguments)
        except Stalled:
            self._stalling.add(name)
            raise
        self._stalling.discard(name)
        return answer

    async def _put(self, session: StoredSession) -> StoredSession:
        """Store *session* unless something newer is there. Return what is there then."""
        for _ in range(SWAPS):
            stored = await self._ask("load", self._storage.load, self._account)
            wanted = newest(stored, session)
            expected = None if stored is None else stored.refresh_token
            if wanted == stored or await self._ask("swap", self._storage.swap, self._account, expected, wanted):
                self._written(wanted)
                return wanted
        raise StorageError("the stored session keeps changing")

    async def _write_pending(self) -> StoredSession | None:
        if self._pending_write is None:
            return None
        with self._counted():
            return await self._put(self._pending_write)

    def _written(self, session: StoredSession) -> None:
        if self._pending_write is not None and self._pending_write.order <= session.order:
            self._pending_write = None

    def _write_later(self) -> None:
        if self._writer is None or self._writer.done() or self._writer.get_loop().is_closed():
            loop = asyncio.get_running_loop()
            self._writer = loop.create_task(self._write_in_the_end(), context=Context())

    async def _write_in_the_end(self) -> StoredSession | None:
        await asyncio.sleep(SAVE_AGAIN_S)
        wait = wait_exponential(multiplier=SAVE_AGAIN_S, max=SAVE_AGAIN_MAX_S)
        return await AsyncRetrying(retry=retry_if_exception_type(StorageError), wait=wait)(self._write_pending)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            with self._loud(_UNWRITTEN):
                yield
        except StorageError:
            self._stats.save_failures += 1
            raise

    @contextmanager
    def _loud(self, trouble: str) -> Iterator[None]:
        try:
            yield
        except StorageError as error:
            if self._told.get(trouble) != str(error):
                self._told[trouble] = str(error)
                _log.error(trouble, error)
            raise
        self._told.pop(trouble, None)
