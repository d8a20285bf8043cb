"""One computation for all who ask within a while."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

_PERIOD_MS = 1000
T = TypeVar("T")


class CoalescedCall(Generic[T]):
    """Asks once, however many wait, and gives the same answer for a second; failures are answers, too."""

    def __init__(self, ask: Callable[[], Awaitable[T]], clock: Callable[[], int]) -> None:
        """Share what *ask* returns; *clock* in milliseconds."""
        self._ask, self._clock = ask, clock
        self._answer: asyncio.Task[T] | None = None
        self._answered_at = 0

    async def __call__(self) -> T:
        """Return the answer, no older than a second. Raises: what asking raised."""
        if self._answer is None or (self._answer.done() and self._is_old()):
            self._answer = asyncio.create_task(self._asked())
        # Who hangs up must not take the answer from the others.
        return await asyncio.shield(self._answer)

    async def _asked(self) -> T:
        try:
            return await self._ask()
        finally:
            self._answered_at = self._clock()

    def _is_old(self) -> bool:
        # The clock may be set back, too.
        return abs(self._clock() - self._answered_at) >= _PERIOD_MS
