"""When the requests begin."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress


class Pacer:
    """Says to each lane when its next request is due.

    With a rate the moments are fixed before anything is sent, so that a server which stalls cannot make the generator
    wait politely and leave the stall out of its figures (coordinated omission).

    Args:
        clock: the event loop's.
        duration_s: no request is begun later than that; None: no limit.
        requests: how many are begun; None: no limit.
        rate: per second; None: whenever a lane is free.
        offset_s: of the first arrival, so that several processes do not fire in step.

    Attributes:
        over: set once nothing more is going to be begun. That one lane finds nothing left does not mean it: others may
            wait for the moments that they have taken.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        duration_s: float | None,
        requests: int | None,
        rate: float | None,
        offset_s: float = 0.0,
    ) -> None:
        self._clock = clock
        self._began_at = clock()
        self._ends_at = float("inf") if duration_s is None else self._began_at + duration_s
        self._left = float("inf") if requests is None else requests
        self._rate = rate
        self._offset_s = offset_s
        self._begun = 0
        self._waiting = 0  # lanes whose moment has not come
        self._none_left = False
        self._stopped = asyncio.Event()
        self.over = asyncio.Event()

    def stop(self) -> None:
        """Begin nothing more."""
        if not self._stopped.is_set():
            self._ends_at = min(self._ends_at, self._clock())
            self._stopped.set()
            self.over.set()

    async def next_start(self) -> float | None:
        """Wait until a request is due; return the moment at which it was, or None at the end."""
        start = self._next()
        if start is None:
            self._none_left = True
        elif not await self._until(start):
            self._left += 1
            self._begun -= 1
            start = None
        if self._none_left and not self._waiting:
            self.over.set()
        return start

    def _next(self) -> float | None:
        """Take the next moment at which a request is due; None if there is none."""
        now = self._clock()
        # Past the end nothing is begun, however much is overdue: a server that cannot keep up ends in time, too.
        if self._stopped.is_set() or self._left <= 0 or now >= self._ends_at:
            return None
        start = now if self._rate is None else self._due(self._begun)
        if start >= self._ends_at:
            return None
        self._left -= 1
        self._begun += 1
        return start

    def not_begun(self) -> int:
        """Return how many arrivals were due before the end and have not been begun."""
        if self._rate is None:
            return 0
        ends_at = min(self._ends_at, self._clock())
        due = max(0, math.ceil((ends_at - self._began_at - self._offset_s) * self._rate))
        if due and self._due(due - 1) >= ends_at:  # rounded up by the dust of a float
            due -= 1
        return max(0, min(due - self._begun, int(min(self._left, due))))

    def _due(self, number: int) -> float:
        assert self._rate is not None  # noqa: S101 - asked only in the open model
        return self._began_at + self._offset_s + number / self._rate

    async def _until(self, moment: float) -> bool:
        """Wait; False if the run was stopped meanwhile."""
        self._waiting += 1
        try:
            # More than once: timers of an event loop may be a millisecond early, and a request that began before it was
            # due would look faster than it is.
            while (wait := moment - self._clock()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._stopped.wait()
                        return False
            return True
        finally:
            self._waiting -= 1
