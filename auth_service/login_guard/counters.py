"""Counts over a window of time, shared through Redis or kept in this process."""

import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

from ..errors import StartupError

log = structlog.get_logger(__name__)
_TIMEOUT_S = 1.0
_REDIS_PORT = 6379
_PAUSE_S = 1.0  # before a Redis that failed is asked again: a log-in then waits for it once a second at most
_REDIS_ROUNDING_S = 0.5  # its TTL is rounded to the nearest second: never tell anybody to come too early
T = TypeVar("T")


class Counters:
    """Windows begin with their first count. While Redis is away, each process counts for itself."""

    def __init__(self, url: str) -> None:
        """Count in the storage at *url*: ``memory://`` or ``redis://…``. Does no I/O.

        Raises:
            StartupError: the storage is not one of these.
        """
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._redis = None if url == "memory://" else _redis(url)
        self._shared = FixedWindowRateLimiter(self._redis) if self._redis else None
        self._ask_again_at = 0.0

    async def try_consume(self, limit: RateLimitItem, key: str) -> int | None:
        """Count one more and return how many that makes. None, and nothing counted, if the limit is reached."""
        count = await self._add(limit, key, 1)
        if count <= limit.amount:
            return count
        await self.give_back(limit, key)
        return None

    async def give_back(self, limit: RateLimitItem, key: str) -> None:
        """Count one less; never less than none, though the window may have ended or been forgotten meanwhile."""
        if await self._add(limit, key, -1) < 0:
            await self._add(limit, key, 1)

    async def _add(self, limit: RateLimitItem, key: str, number: int) -> int:
        return await self._ask(
            lambda limiter: limiter.storage.incr(limit.key_for(key), limit.get_expiry(), amount=number)
        )

    async def forget(self, limit: RateLimitItem, key: str) -> None:
        """Count from zero again."""
        await self._ask(lambda limiter: limiter.clear(limit, key))

    async def seconds_left(self, limit: RateLimitItem, key: str) -> int:
        """Return in how many whole seconds, at least one, the window ends."""
        stats = await self._ask(lambda limiter: limiter.get_window_stats(limit, key))
        rounding = _REDIS_ROUNDING_S if self._redis else 0.0
        return max(1, math.ceil(stats.reset_time + rounding - time.time()))

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        if self._redis is not None:
            await self._redis.bridge.get_connection().aclose()  # type: ignore[attr-defined] # of redis.asyncio's client

    async def _ask(self, question: Callable[[FixedWindowRateLimiter], Awaitable[T]]) -> T:
        if self._shared is None or time.monotonic() < self._ask_again_at:
            return await question(self._own)
        try:
            return await question(self._shared)
        except StorageError as exc:
            self._ask_again_at = time.monotonic() + _PAUSE_S
            log.error("limits.unavailable", problem=type(exc.storage_error).__name__)  # noqa: TRY400 - an expected failure needs no traceback
            return await question(self._own)


def _redis(url: str) -> RedisStorage:
    if not url.startswith(("redis://", "rediss://")):
        raise StartupError("AUTH_LIMITS_URL: must be memory:// or redis://…")
    # A tenth of a service's start, which only who uses Redis has to wait for.
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    try:
        storage = storage_from_string(
            f"async+{_with_port(url)}",
            implementation="redispy",
            wrap_exceptions=True,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            # Once, for a connection that Redis closed while it was idle.
            retry=Retry(NoBackoff(), 1),  # type: ignore[arg-type] # handed on to the client as it is
        )
    except Exception as exc:  # the library raises its own and its drivers' kinds
        problem = f"must be memory:// or redis://host:6379/0 ({type(exc).__name__})"
        raise StartupError(f"AUTH_LIMITS_URL: {problem}") from None
    return cast(RedisStorage, storage)


def _with_port(url: str) -> str:
    """Return *url* with a port: its own, or that of Redis, which the library asks for. Raises: ValueError."""
    parts = urlsplit(url)
    if not parts.hostname or parts.port is not None:
        return url
    return parts._replace(netloc=f"{parts.netloc.removesuffix(':')}:{_REDIS_PORT}").geturl()
