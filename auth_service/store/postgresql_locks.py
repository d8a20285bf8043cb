"""Waiting for locked rows without making other sessions wait."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.exc import DBAPIError

from ..errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

T = TypeVar("T")

FIRST_WAIT_S = 0.02
"""Longer than a commit takes on a machine that is not busy: most locks are gone by then."""
_LONGEST_WAIT_S = 0.2
# Connections that may wait for rows: at the first attempt, and at further ones. The pool has more, so that reads,
# rotations and the first attempts of others always find one.
_FIRST, _FURTHER = 4, 2
_LOCK_NOT_AVAILABLE = "55P03"  # SQLSTATE: PostgreSQL's manual, Appendix A


class LockWaits:
    """Runs transactions until they find nothing held by another one.

    A transaction waits for a row for a moment, then ends, gives its connection back, and begins anew later: one that
    waited on its connection would soon keep all of the pool's.
    """

    def __init__(self) -> None:
        self._first, self._further = asyncio.Semaphore(_FIRST), asyncio.Semaphore(_FURTHER)

    async def run(self, transaction: Callable[[float], Awaitable[T]], latest_s: float, *, queues: bool = True) -> T:
        """Run *transaction*, which is told how many seconds it may wait for a lock; again until it has them all.

        Args:
            transaction: raises ``DBAPIError`` when it may not wait any longer; then nothing of it has happened.
            latest_s: on the event loop's clock.
            queues: whether it shares the connections that may wait for rows. What waits for none takes any.

        Raises:
            Unavailable: another transaction holds a lock that this one needs, until *latest_s*.
        """
        lane, wait_s = self._first, FIRST_WAIT_S
        while True:
            try:
                if not queues:
                    return await transaction(wait_s)
                async with _held(lane, latest_s):
                    return await transaction(wait_s)
            except DBAPIError as exc:
                if sqlstate(exc.orig) != _LOCK_NOT_AVAILABLE:
                    raise
                if asyncio.get_running_loop().time() + 3 * wait_s > latest_s:
                    raise Unavailable("another transaction holds a lock that this one needs") from exc
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            lane, wait_s = self._further, min(2 * wait_s, _LONGEST_WAIT_S)


@asynccontextmanager
async def _held(lane: asyncio.Semaphore, latest_s: float) -> "AsyncIterator[None]":
    try:
        async with asyncio.timeout_at(latest_s):
            await lane.acquire()
    except TimeoutError:
        raise Unavailable("too many transactions wait for locked rows") from None
    try:
        yield
    finally:
        lane.release()


def sqlstate(exc: BaseException | None) -> str | None:
    """Return the SQLSTATE of a driver's exception, or None."""
    return getattr(exc, "sqlstate", None)
