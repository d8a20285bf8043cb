"""Calling back into the user's code, without trusting it."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from client.stats import Stats

_log = logging.getLogger("dualtoken.client")
_T = TypeVar("_T")

Callback = Callable[[_T], Awaitable[object] | object]


class Events:
    """Runs callbacks in tasks of their own: they may call back into the source, fail, or take their time.

    Attributes:
        running: callbacks that have not returned.
    """

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self.running: set[asyncio.Task[Any]] = set()

    def fire(self, callback: Callback[_T] | None, argument: _T) -> None:
        """Call *callback*, plain or async, soon."""
        if callback is not None:
            task = asyncio.get_running_loop().create_task(self._call(callback, argument))
            self.running.add(task)
            task.add_done_callback(self.running.discard)

    async def _call(self, callback: Callback[_T], argument: _T) -> None:
        try:
            result = callback(argument)
            if inspect.isawaitable(result):
                await result
        except Exception:
            self._stats.callback_failures += 1
            _log.exception("a callback of the token source failed")
