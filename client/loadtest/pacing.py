"""When the requests begin."""

import asyncio
from collections.abc import Callable


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
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Begin nothing more."""
        if not self._stopped.is_set():
            self._ends_at = min(self._ends_at, self._clock())
            self._stopped.set()

    async def next_start(self) -> float | None:
        """Wait until a request is due; return the moment at which it was, or None at the end."""
        if self._stopped.is_set() or self._left <= 0:
            return None
        if self._rate is None:
            now = self._clock()
            if now >= self._ends_at:
                return None
            self._left -= 1
            return now
        due = self._due(self._begun)
        # Past the end nothing is begun, however much is overdue: a server that cannot keep up ends in time, too.
        if due >= self._ends_at or self._clock() >= self._ends_at:
            return None
        self._left -= 1
        self._begun += 1
        return due if await self._until(due) else None

    def not_begun(self) -> int:
        """Return how many arrivals were due before the end and have not been begun."""
        if self._rate is None:
            return 0
        ends_at = min(self._ends_at, self._clock())
        due = int((ends_at - self._began_at - self._offset_s) * self._rate)
        return max(0, min(due - self._begun, int(min(self._left, due))))

    def _due(self, number: int) -> float:
        assert self._rate is not None  # noqa: S101 - asked only in the open model
        return self._began_at + self._offset_s + number / self._rate

    async def _until(self, moment: float) -> bool:
        """Wait; False if the run was stopped meanwhile."""
        # More than once: timers of an event loop may be a millisecond early, and a request that began before it was
        # due would look faster than it is.
        while (wait := moment - self._clock()) > 0:
            try:
                async with asyncio.timeout(wait):
                    await self._stopped.wait()
            except TimeoutError:
                continue
            self._begun -= 1
            return False
        return True
