"""Limits the calls a minute with one secret, and so the damage by a thief before an operator reacts."""

from limits import RateLimitItemPerMinute

from ..errors import TooManyAttempts
from .counters import Counters


class CallLimit:
    """Counts calls over a minute, for all processes that share ``Counters``."""

    def __init__(self, counters: Counters, calls: int, name: str) -> None:
        """Allow so many *calls* a minute under *name*; 0: any number."""
        self._counters, self._name = counters, name
        self._limit = RateLimitItemPerMinute(calls, namespace="calls") if calls else None

    async def take(self) -> None:
        """Count one more. Raises: TooManyAttempts: there were as many as are allowed."""
        if self._limit is None or await self._counters.try_consume(self._limit, self._name):
            return
        raise TooManyAttempts(await self._counters.seconds_left(self._limit, self._name))
