"""Refusals of log-ins, delayed: a flood must not cost what renewals need."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from ..errors import Busy, TooManyAttempts

# Who is told to come back may as well wait here: answering a flood at once would cost what renewals need.
_DELAY_S = 1.0
_MAX_HELD_BACK = 1024


class DelayedRefusal:
    """Slows a flood of refused log-ins down to what its connections can ask; one object for all kinds of them."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._held_back = 0

    @asynccontextmanager
    async def refusals(self) -> AsyncIterator[None]:
        """Let ``Busy`` and ``TooManyAttempts`` leave the block a second late; at once where too many wait already."""
        try:
            yield
        except (Busy, TooManyAttempts):
            if self._held_back < _MAX_HELD_BACK:
                await self._hold()
            raise

    async def _hold(self) -> None:
        self._held_back += 1
        try:
            await self._sleep(_DELAY_S)
        finally:
            self._held_back -= 1
