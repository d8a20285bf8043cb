"""Limits the calls of one network a minute; each process counts for itself.

A call counts before anything is done for it, in a microsecond: renewals must not pay for it. The window is fixed, and a
caller beyond the limit is told when it ends; nothing is revoked and nobody is logged out.
"""

import math
import time
from collections.abc import Callable
from functools import lru_cache

from dualtoken_serving.networks import network_of

from ..errors import TooManyRequests

WINDOW_S = 60.0
# IPv6 has more networks than there is memory: when so many have called, all counts begin anew.
_MAX_NETWORKS = 65_536
_network_of = lru_cache(_MAX_NETWORKS)(network_of)


class RequestLimit:
    """One limit; 0 is none."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """*clock* in seconds."""
        self._per_minute, self._clock = per_minute, clock
        self._counts: dict[str, int] = {}
        self._ends_at = -math.inf

    def count(self, address: str) -> None:
        """Count a call. Raises: TooManyRequests, with the whole seconds until the next minute begins."""
        if not self._per_minute:
            return
        now, network = self._clock(), _network_of(address)
        if now >= self._ends_at or len(self._counts) >= _MAX_NETWORKS:
            self._counts.clear()
            self._ends_at = now + WINDOW_S
        count = self._counts[network] = self._counts.get(network, 0) + 1
        if count > self._per_minute:
            raise TooManyRequests(math.ceil(self._ends_at - now))
