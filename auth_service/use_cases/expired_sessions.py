"""Deletes sessions and assertions that nothing needs any more: in small batches, so that rotation hardly notices."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from ..domain.clock import Clock
from ..errors import Unavailable
from ..store import Store

_BATCH = 500
_PAUSE_S = 0.05
_INTERVAL_S = 60.0
# An assertion is remembered a while longer than it counts: clocks of replicas may differ.
_SKEW_MS = 300_000

log = structlog.get_logger(__name__)


class Janitor:
    """Sweeps now and then.

    A session is kept until its absolute expiry, whatever ended it, because until then a replayed token must be
    recognised; and *keep* milliseconds longer, because an access token minted at its very end may still be alive, and
    the revocation feed is read from this table.
    """

    def __init__(self, store: Store, clock: Clock, *, keep: int) -> None:
        self._store, self._clock, self._keep = store, clock, keep

    async def sweep(self) -> int:
        """Delete what has expired, batch by batch. Return how many sessions. Raises: Unavailable."""
        await self._swept(lambda: self._store.delete_spent_assertions(before=self._clock() - _SKEW_MS, limit=_BATCH))
        return await self._swept(lambda: self._store.delete_expired(before=self._clock() - self._keep, limit=_BATCH))

    async def _swept(self, delete: Callable[[], Awaitable[int]]) -> int:
        deleted = 0
        while count := await delete():
            deleted += count
            if count < _BATCH:
                break
            await asyncio.sleep(_PAUSE_S)
        return deleted

    async def run(self) -> None:
        """Sweep for ever; what fails is tried again later."""
        while True:
            # Spread over the interval: replicas that started together need not sweep together.
            await asyncio.sleep(_INTERVAL_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                deleted = await self.sweep()
            except Unavailable as exc:
                log.warning("janitor.unavailable", problem=str(exc))
                continue
            except Exception:
                # Whatever it is: the table would grow for ever.
                log.exception("janitor.failed")
                continue
            if deleted:
                log.info("janitor.swept", sessions=deleted)
