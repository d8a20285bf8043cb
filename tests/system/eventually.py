"""Waiting for what offers nothing to wait on: another process's log, a server that reads its settings again."""

import asyncio
from collections.abc import Callable

from tests.deadline import HANGS_S

_LOOK_EVERY_S = 0.02


async def eventually(holds: Callable[[], bool], within_s: float = HANGS_S) -> None:
    """Return once *holds*.

    Raises:
        TimeoutError: it does not.
    """
    async with asyncio.timeout(within_s):
        while True:
            if holds():
                return
            await asyncio.sleep(_LOOK_EVERY_S)
