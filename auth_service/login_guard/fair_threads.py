"""Threads with a fair queue: the next turn goes to whoever has the fewest entries.

By order of arrival, a single log-in would wait for all that one flooding user or network may have in the queue; where
hashes are slow, beyond its deadline.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from .shares import Place

R = TypeVar("R")


class FairThreads:
    """So many threads. Nobody but the event loop's thread may call it."""

    def __init__(self, count: int, name: str, initializer: Callable[[], None] | None = None) -> None:
        self._pool = ThreadPoolExecutor(count, name, initializer=initializer)
        self._free = count
        self._waiting: list[tuple[Place, asyncio.Future[None]]] = []

    async def run(self, work: partial[R], place: Place) -> R:
        """Return what *work* returns, once it is its turn. The *place* is held until the thread is done."""
        await self._turn(place)
        loop = asyncio.get_running_loop()

        def end(_future: object) -> None:
            place.let_go()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._next)

        future = self._pool.submit(work)
        place.hold()
        # Not when the caller is done: one who hung up still occupies the thread.
        future.add_done_callback(end)
        return await asyncio.wrap_future(future)

    async def _turn(self, place: Place) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((place, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it was given, and is not taken
                self._next()
            raise

    def _next(self) -> None:
        """A thread is free: it is the turn of the first of those with least under way."""
        self._waiting = [(place, turn) for place, turn in self._waiting if not turn.done()]
        if not self._waiting:
            self._free += 1
            return
        _, turn = min(self._waiting, key=lambda waiting: waiting[0].weight())
        turn.set_result(None)

    def close(self) -> None:
        """Stop the threads; what still waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for _, turn in self._waiting:
            turn.cancel()
