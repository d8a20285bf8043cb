"""Keeps the stand-ins of unknown names similar to the users' hashes."""

import asyncio
import random

import structlog

from ..errors import Unavailable
from ..login_guard.stand_ins import StandIns
from ..store import AccountStore

_INTERVAL_S = 60.0

log = structlog.get_logger(__name__)


class HashSampling:
    """Looks now and then."""

    def __init__(self, store: AccountStore, stand_ins: StandIns) -> None:
        self._store, self._stand_ins = store, stand_ins

    async def look(self) -> None:
        """Learn from a sample. Raises: Unavailable."""
        sample = await self._store.sample_hashes()
        await asyncio.to_thread(self._stand_ins.learn, sample)

    async def run(self) -> None:
        """Look for ever; until another look succeeds, the last one counts."""
        while True:
            await asyncio.sleep(_INTERVAL_S * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            try:
                await self.look()
            except Unavailable as exc:
                log.warning("hash_sample.unavailable", problem=str(exc))
            except Exception:
                log.exception("hash_sample.failed")
