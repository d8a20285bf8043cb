"""TokenSource for threads: the same methods, blocking. Threads share one refresh, like coroutines.

The source lives on an event loop of its own, in one background thread.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Self, TypeVar

from yarl import URL

from . import source
from .errors import ConfigurationError, RefreshUnavailable
from .stats import Stats
from .storage.thread import LastingExecutor
from .tokens import Tokens

T = TypeVar("T")


class TokenSource:
    """Provides access tokens of one session to any number of threads, and refreshes them without the caller noticing.

    A context manager; :meth:`close` ends the background thread, which does not keep the interpreter from exiting.

    Args:
        auth_url: URL of the auth service; a path is kept.
        options: those of :class:`dualtoken.client.TokenSource`. Callbacks run in the background thread.

    Raises:
        ConfigurationError: as there; or gevent has patched the interpreter, so that no event loop runs.
    """

    def __init__(self, auth_url: str | URL, **options: Any) -> None:
        _forbid_gevent()
        self._source = source.TokenSource(auth_url, **options)
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._background: _Background | None = None

    def __enter__(self) -> Self:
        """Return the source itself; connections open at their first use."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stats(self) -> Stats:
        """Counters."""
        return self._source.stats

    @property
    def current(self) -> Tokens | None:
        """The tokens in memory, without a request."""
        return self._source.current

    def token(self, *, rejected: str | None = None) -> str:
        """Return a usable access token; see ``dualtoken.client.TokenSource.token``.

        Raises:
            LoginRequired, RefreshUnavailable, RefreshRejected, StorageError: as there.
            RuntimeError: this process was forked from the one that made the source; a callback calls this in the
                background thread; or the interpreter is exiting.
        """
        usable = self._source.usable(rejected)
        if usable is not None and os.getpid() == self._pid:
            return usable
        return self._run(self._source.token(rejected=rejected))

    def is_too_fresh(self, refused: str) -> bool:
        """Tell whether a refresh would not help after the refusal of *refused*."""
        return self._source.is_too_fresh(refused)

    def login(self, username: str, password: str) -> Tokens:
        """Open a session and replace any earlier one. Raises: as the asynchronous method."""
        return self._run(self._source.login(username, password))

    def logout(self, *, everywhere: bool = False) -> None:
        """End the session. Raises: as the asynchronous method."""
        self._run(self._source.logout(everywhere=everywhere))

    def close(self) -> None:
        """Wait a while for a running refresh, and end the background thread. The source can be used again.

        Threads that still wait then get a RefreshUnavailable; threads that call meanwhile wait, and start it again.

        Raises:
            RuntimeError: called back in the background thread.
        """
        if os.getpid() != self._pid:
            return
        self._forbid_background()
        with self._lock:
            if self._background is not None:
                try:
                    self._background.submit(self._end()).result()
                finally:
                    self._background.stop()
                    self._background = None

    async def _end(self) -> None:
        await self._source.aclose()
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            future = self._submit(work)
        except (RuntimeError, ConfigurationError):
            work.close()
            raise
        try:
            # An interrupt leaves this wait alone; the refresh goes on for the other threads.
            return future.result()
        except CancelledError:
            raise RefreshUnavailable("the token source was closed meanwhile") from None

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        if os.getpid() != self._pid:
            raise RuntimeError("this token source was made before a fork: make another in the new process")
        self._forbid_background()
        # Nothing is submitted to a loop that is being closed: nobody would ever answer.
        with self._lock:
            if self._background is None:
                _forbid_gevent()  # which may have come since
                self._background = _Background()
            return self._background.submit(work)

    def _forbid_background(self) -> None:
        if self._background is not None and self._background.thread is threading.current_thread():
            raise RuntimeError(
                "a callback of this token source runs in its background thread, which would wait for itself: "
                "hand the call to a thread of your own"
            )


class _Background:
    """An event loop in a daemon thread.

    Raises:
        RuntimeError: the interpreter ends, and starts no thread any more.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(LastingExecutor(thread_name_prefix="dualtoken"))  # for names of hosts
        self.thread = threading.Thread(target=self._loop.run_forever, name="dualtoken", daemon=True)
        try:
            self.thread.start()
        except RuntimeError:
            self._loop.close()
            raise

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run *work* on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.thread.join()
        self._loop.close()


def _forbid_gevent() -> None:
    monkey = sys.modules.get("gevent.monkey")
    if monkey and any(monkey.is_module_patched(name) for name in ("threading", "select", "socket")):
        raise ConfigurationError(
            "gevent has patched the interpreter, where no event loop runs beside the greenlets: "
            "use threads or asyncio, or a process of its own, on one FileStorage"
        )
