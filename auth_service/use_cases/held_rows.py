"""Sessions whose row another transaction holds: the caller must retry, and no other caller waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import Unavailable

T = TypeVar("T")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5


async def until_free(present: Callable[[], Awaitable[T | None]], is_awaited: Callable[[], bool], within_s: float) -> T:
    """Return the first result of *present* that is not None: the row was free.

    Args:
        present: once.
        is_awaited: whether anybody is left to be answered.
        within_s: for so many seconds it is tried.

    Raises:
        Unavailable: it stayed held, or nobody waits any more; nothing has happened.
    """
    latest_s, pause_s = asyncio.get_running_loop().time() + within_s, _FIRST_PAUSE_S
    while (result := await present()) is None:
        if asyncio.get_running_loop().time() + pause_s > latest_s or not is_awaited():
            raise Unavailable("another transaction holds the session's row")
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    return result
