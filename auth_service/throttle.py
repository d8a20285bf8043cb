"""Failed log-ins, limited per user name and per address.

Only failures count, and a success forgets those of its name. A name is limited together with the address that failed,
so that a stranger elsewhere cannot lock a user out; an address is limited whatever the names, ten times as wide.
"""

import math
import time
from typing import cast

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from auth_service.errors import StartupError, TooManyAttempts

_ADDRESS_FACTOR = 10


class Throttle:
    """Counts over one minute, in memory or in Redis (for several processes)."""

    def __init__(self, url: str, failures_per_minute: int) -> None:
        """Count in the storage at *url*: ``memory://`` or ``redis://…``.

        Raises:
            StartupError: the storage is not one of these.
        """
        if not url.startswith(("memory://", "redis://", "rediss://")):
            raise StartupError("AUTH_LIMITS_URL: must be memory:// or redis://…")
        try:
            storage = cast(Storage, storage_from_string(f"async+{url}"))
        except Exception as exc:  # the library raises its own and its drivers' kinds
            raise StartupError(f"AUTH_LIMITS_URL: {type(exc).__name__}") from None
        self._limiter = MovingWindowRateLimiter(storage)
        self._by_name = RateLimitItemPerMinute(failures_per_minute, namespace="login")
        self._by_address = RateLimitItemPerMinute(failures_per_minute * _ADDRESS_FACTOR, namespace="login-address")

    async def check(self, username: str, address: str) -> None:
        """Return if another attempt is allowed.

        Raises:
            TooManyAttempts: with the whole seconds until one is.
        """
        for limit, key in ((self._by_name, (username, address)), (self._by_address, (address,))):
            if not await self._limiter.test(limit, *key):
                stats = await self._limiter.get_window_stats(limit, *key)
                raise TooManyAttempts(max(1, math.ceil(stats.reset_time - time.time())))

    async def failed(self, username: str, address: str) -> None:
        """Count a failure."""
        await self._limiter.hit(self._by_name, username, address)
        await self._limiter.hit(self._by_address, address)

    async def succeeded(self, username: str, address: str) -> None:
        """Forget the failures of this name from this address."""
        await self._limiter.clear(self._by_name, username, address)
