"""Keeps a verifier supplied with the newest usable keys."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from dualtoken_serving.tracing import Trace, current, new_trace, working_on

from ..errors import KeySetRefused, KeysUnavailable
from ..verification.jwk_set import KeySet

log = structlog.wrap_logger(logging.getLogger(__name__))

DEMANDED_GAP_S = 1.0
"""Seconds between two reloads that unknown kids ask for: forged tokens must not become a load on the source."""


class KeySource(Protocol):
    """Where a key set comes from.

    Attributes:
        name: a path or URL, for the log.
        interval_s: seconds between two looks.
        local: whether a failure of the very first look is the operator's to mend, so that the service must not start.
    """

    name: str
    interval_s: float
    local: bool

    async def fetch(self) -> KeySet:
        """Read the whole set.

        Raises:
            KeySetRefused: it cannot be read, or must not be used.
        """


class Keys:
    """Watches one source. The last good set stays in use while the source is broken.

    A set without a key for us is good, but for the first: whoever publishes that has retired what was in use.

    Args:
        use: is called with every set that differs from the one before.
        demanded_gap_s: seconds between two reloads that :meth:`newer` asks for, at least.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        source: KeySource,
        use: Callable[[KeySet], None],
        *,
        demanded_gap_s: float = DEMANDED_GAP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.source = source
        self.current: KeySet | None = None
        self.problem: str | None = None
        """Why the last look failed; None when it did not."""
        self._is_watched = False
        self._told: tuple[str, ...] = ()
        self._use = use
        self._gap_s = demanded_gap_s
        self._clock = clock
        self._demanded_at = -demanded_gap_s
        self._demand = asyncio.Event()
        self._next_reload = asyncio.Event()
        self._demanded_by: Trace | None = None

    async def load(self) -> None:
        """Look once.

        Raises:
            KeySetRefused: nothing usable is there; what was in use stays in use.
        """
        try:
            keys = await self._fetch()
        except KeySetRefused as error:
            self.problem = str(error)
            raise
        self.problem = None
        self._tell(keys.passed_over)
        if keys != self.current:
            self.current = keys
            self._use(keys)
            log.info("keys.loaded", source=self.source.name, kids=list(keys.keys))
            if not keys.keys:
                log.error("keys.gone", source=self.source.name)

    def forget(self) -> None:
        """Use no key any more: nobody would notice that it was withdrawn."""
        if self.current is not None:
            self.current = None
            self._use(KeySet({}, secret=False))

    def _tell(self, passed_over: tuple[str, ...]) -> None:
        """Say what is wrong with keys of a set that is used all the same: once, not at every look."""
        if passed_over != self._told:
            self._told = passed_over
            if passed_over:
                log.error("keys.passed_over", source=self.source.name, problems=list(passed_over))

    async def _fetch(self) -> KeySet:
        keys = await self.source.fetch()
        if not keys.keys and self.current is None:
            raise KeySetRefused(f"{self.source.name}: no key for HS256, EdDSA, ES256 or RS256")
        return keys

    async def newer(self) -> None:
        """Return after a reload that began after this call; any number of callers share one, and the first one's trace.

        A caller may have to wait for ``demanded_gap_s``. Turning it away instead would let anybody who sends unknown
        kids break the requests that come right after a real rotation.

        Raises:
            KeysUnavailable: nobody watches the source, or not any more.
        """
        if not self._is_watched:
            raise KeysUnavailable(f"{self.source.name} is not watched")
        reload = self._next_reload
        self._demanded_by = self._demanded_by or current()
        self._demand.set()
        await reload.wait()

    def watch(self) -> Coroutine[Any, Any, None]:
        """Look again and again, until cancelled: at each interval, and when :meth:`newer` asks."""
        self._is_watched = True  # from now on, not only once the coroutine has begun
        self._demand, self._next_reload = asyncio.Event(), asyncio.Event()  # of the loop that it will run in
        return self._watch_until_cancelled()

    async def _watch_until_cancelled(self) -> None:
        try:
            await self._watch()
        finally:
            self._is_watched = False
            self._next_reload.set()

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.source.interval_s):
                    await self._demand.wait()
            if self._demand.is_set():
                await asyncio.sleep(max(0.0, self._demanded_at + self._gap_s - self._clock()))
                self._demanded_at = self._clock()
            trace, self._demanded_by = self._demanded_by or new_trace(), None
            with working_on(trace):
                await self._reload()

    async def _reload(self) -> None:
        self._demand.clear()
        waiting, self._next_reload = self._next_reload, asyncio.Event()
        problem_before = self.problem
        try:
            await self.load()
        except KeySetRefused as error:
            if str(error) != problem_before:
                kept = list(self.current.keys) if self.current else []
                log.error("keys.refused", problem=str(error), still_used=kept)  # noqa: TRY400 - the text says it all
        except Exception as error:
            # Whatever else a source does, the watch must outlive it.
            self.problem = type(error).__name__
            log.exception("keys.reload_failed", source=self.source.name)
        finally:
            waiting.set()
