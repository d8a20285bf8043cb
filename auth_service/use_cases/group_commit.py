"""Concurrent calls become one transaction.

While one transaction is in flight, what arrives waits; when it ends, what waits becomes the next one. No timer: alone,
a call is on its way at once; under load, one fsync serves many. Between two transactions the event loop has its turns
for as long as calls keep coming, up to a bound: those that were answered come back, and are served together once more.

Source: group commit, DeWitt et al., "Implementation Techniques for Main Memory Database Systems" (SIGMOD 1984), §5.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from ..errors import AuthError, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
_QUIET_TURNS = 3  # of the event loop: an answer is written in one, the next request read and parsed in two more
_Waiting = tuple[Item, asyncio.Future[Result]]


class GroupCommit(Generic[Item, Result]):
    """Passes what arrives to *apply*, in batches.

    Invariant: while anything waits, exactly one task works. The task belongs to no caller: one that is cancelled
    (its client hung up) takes nothing of the batch with it.
    """

    def __init__(
        self,
        apply: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        max_batch: int = 256,
        max_waiting: int = 10_000,
        gather_s: float = 0.02,
        on_batch: Callable[[int], None] = lambda _size: None,
    ) -> None:
        """Batch calls of *apply*, which returns one result for each item, or raises and has done nothing.

        Args:
            apply: one transaction.
            max_batch: the most items that one transaction carries.
            max_waiting: the most items that wait; a further one is refused.
            gather_s: how long calls that keep coming may hold up the next transaction. It counts where turns of the
                event loop are long: the database must not stand idle for them.
            on_batch: told the size of each batch that was committed.
        """
        self._apply, self._on_batch = apply, on_batch
        self._max_batch, self._max_waiting, self._gather_s = max_batch, max_waiting, gather_s
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._worker: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Return what becomes the result for *item* once its transaction is committed. It may be cancelled.

        Raises:
            Unavailable: too many wait; from the future, too: the transaction failed, and nothing of it has happened.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable(f"{self._max_waiting} rotations wait already")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="group commit")
        return future

    async def drain(self, within_s: float) -> None:
        """Return when nothing waits any more: what was submitted is committed or has failed.

        After *within_s* seconds only the transaction in flight is waited for: what still waits fails, what comes is
        refused.
        """
        if self._worker is not None:
            await asyncio.wait([self._worker], timeout=within_s)
        if self._worker is not None:
            self._max_waiting = 0
            _fail([*self._waiting], Unavailable("the service stops"))
            self._waiting.clear()
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        batch: list[_Waiting[Item, Result]] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
                await self._commit(batch)
                await self._gather()
        except asyncio.CancelledError as exc:
            # The event loop is being closed: nobody shall wait for ever.
            _fail([*batch, *self._waiting], exc)
            self._waiting.clear()
            raise
        finally:
            self._worker = None

    async def _gather(self) -> None:
        quiet, loop = 0, asyncio.get_running_loop()
        until = loop.time() + self._gather_s
        while quiet < _QUIET_TURNS and len(self._waiting) < self._max_batch and loop.time() < until:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == before else 0

    async def _commit(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            answered = list(zip(batch, await self._apply([item for item, _ in batch]), strict=True))
            self._on_batch(len(batch))
        except Exception as exc:
            _fail(batch, exc)
            return
        for (_, future), result in answered:
            if not future.done():
                future.set_result(result)


def _fail(batch: list[_Waiting[Item, Result]], cause: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            # One exception for each caller: a shared one would gather all their tracebacks.
            error = type(cause)(*cause.args) if isinstance(cause, AuthError) else Unavailable(repr(cause))
            error.__cause__ = cause
            future.set_exception(error)
