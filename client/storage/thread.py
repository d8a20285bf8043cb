"""One thread for blocking storage calls, so that they keep their order."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class LastingExecutor(ThreadPoolExecutor):
    """Threads, and the one that asks when the interpreter ends and starts no other: a log-out at exit works."""

    def submit(self, function: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> "Future[_T]":
        """Call *function*."""
        try:
            return super().submit(function, *args, **kwargs)
        except RuntimeError:
            if threading.main_thread().is_alive():
                raise
        done: Future[_T] = Future()
        try:
            done.set_result(function(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class Worker:
    """Runs functions in one thread of its own, in the order in which they were asked for.

    Not the event loop's threads: those may all be busy, even with callers that wait for a token. And what was begun
    under an event loop that is gone still comes before what the next one asks for.
    """

    def __init__(self) -> None:
        self._executor: LastingExecutor | None = None
        self._process = 0

    @property
    def executor(self) -> LastingExecutor:
        """The executor behind it, made on first use: threads do not survive a fork."""
        if self._executor is None or self._process != os.getpid():
            self._executor = LastingExecutor(1, thread_name_prefix="dualtoken-storage")
            self._process = os.getpid()
        return self._executor

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call *function* in the thread; a caller that is cancelled does not stop it."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, lambda: function(*args, **kwargs))
