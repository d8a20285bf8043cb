"""Deletes sessions that nothing needs any more: in small batches, so that rotation hardly notices."""

import asyncio
import random

import structlog

from auth_service.errors import Unavailable
from auth_service.sessions import Clock
from auth_service.store import SessionStore

_BATCH = 500
_PAUSE_S = 0.05
_INTERVAL_S = 60.0

log = structlog.get_logger(__name__)


class Janitor:
    """Sweeps now and then.

    A session is kept until its absolute expiry, whatever ended it, because until then a replayed token must be
    recognised; and *keep* milliseconds longer, because an access token minted at its very end may still be alive, and
    the revocation feed is read from this table.
    """

    def __init__(self, store: SessionStore, clock: Clock, *, keep: int) -> None:
        self._store, self._clock, self._keep = store, clock, keep

    async def sweep(self) -> int:
        """Delete what has expired, batch by batch. Return how many. Raises: Unavailable."""
        deleted = 0
        while count := await self._store.delete_expired(before=self._clock() - self._keep, limit=_BATCH):
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
