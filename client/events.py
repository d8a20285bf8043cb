"""Calling back into the user's code, without trusting it."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from client.stats import Stats

_log = logging.getLogger("dualtoken.client")
_T = TypeVar("_T")

Callback = Callable[[_T], Awaitable[object] | object]


class Events:
    """Runs callbacks in tasks of their own: they may call back into the source, fail, or take their time."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._running: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> set[asyncio.Task[None]]:
        """Callbacks that have not returned, of the event loop that runs."""
        loop = asyncio.get_running_loop()
        return {task for task in self._running if task.get_loop() is loop}

    def fire(self, callback: Callback[_T] | None, argument: _T) -> None:
        """Call *callback*, plain or async, soon."""
        if callback is not None:
            task = asyncio.get_running_loop().create_task(self._call(callback, argument))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _call(self, callback: Callback[_T], argument: _T) -> None:
        try:
            result = callback(argument)
            if inspect.isawaitable(result):
                await result
        except Exception:
            self._stats.callback_failures += 1
            _log.exception("a callback of the token source failed")
