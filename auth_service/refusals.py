"""Refusals of log-ins, held back, and lines about them, kept few: a flood must cost neither renewals nor the disk."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

from auth_service.errors import Busy, TooManyAttempts

# Who is told to come back may as well wait here: answering a flood at once would cost what renewals need.
_HOLD_BACK_S = 1.0
_MAX_HELD_BACK = 1024
_MAX_KEYS = 4096


class HoldBack:
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
            await self._sleep(_HOLD_BACK_S)
        finally:
            self._held_back -= 1


class Sparing:
    """Lets one of a kind through in a while, and counts what it leaves out."""

    def __init__(self, period_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s, self._clock = period_s, clock
        self._kinds: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def admit(self, kind: Hashable) -> int | None:
        """Return how many of *kind* were left out since the last that was let through, or None: leave this one out."""
        now = self._clock()
        last, omitted = self._kinds.get(kind, (-self._period_s, 0))
        if now - last < self._period_s:
            self._kinds[kind] = last, omitted + 1
            return None
        self._kinds[kind] = now, 0
        self._kinds.move_to_end(kind)
        if len(self._kinds) > _MAX_KEYS:  # kinds are chosen by strangers
            self._kinds.popitem(last=False)
        return omitted
