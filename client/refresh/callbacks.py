"""Calling back into the user's code, without trusting it."""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

from ..stats import Stats

_log = logging.getLogger("dualtoken.client")
_T = TypeVar("_T")

Callback = Callable[[_T], Awaitable[object] | object]
"""A plain or an async function of one argument."""


class Callbacks:
    """Runs callbacks one after another, in a task of their own: they may call back into the source, fail, or take time.

    Attributes:
        task: runs them; done, or None, when there is nothing to call.
    """

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._waiting: deque[tuple[Callback[Any], object]] = deque()
        self.task: asyncio.Task[None] | None = None

    def call(self, callback: Callback[_T] | None, argument: _T) -> None:
        """Call *callback* when those before it have returned."""
        if callback is None:
            return
        self._waiting.append((callback, argument))
        if self.task is None or self.task.done() or self.task.get_loop().is_closed():
            self.task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._call_one(*self._waiting.popleft())
        finally:
            self._waiting.clear()  # the source is being closed

    async def _call_one(self, callback: Callback[Any], argument: object) -> None:
        try:
            result = callback(argument)
            if inspect.isawaitable(result):
                await result
        except Exception:
            self._stats.callback_failures += 1
            _log.exception("a callback of the token source failed")
