"""One thread for blocking storage calls, so that they keep their order."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Worker:
    """Runs functions in one thread of its own, in the order in which they were asked for.

    Not the event loop's threads: those may all be busy, even with callers that wait for a token. And what was begun
    under an event loop that is gone still comes before what the next one asks for.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._process = 0

    @property
    def executor(self) -> ThreadPoolExecutor:
        """The executor behind it, made on first use: threads do not survive a fork."""
        if self._executor is None or self._process != os.getpid():
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="dualtoken-storage")
            self._process = os.getpid()
        return self._executor

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call *function* in the thread; a caller that is cancelled does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, lambda: function(*args, **kwargs))
