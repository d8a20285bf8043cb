"""Concurrent calls become one transaction.

While one transaction is in flight, what arrives waits; when it ends, what waits becomes the next one. No timer: alone,
a call is on its way at once; under load, one fsync serves many. Many that wait are taken by halves: while one half is
in the database, the event loop answers the other. Taken all at once, each would idle while the other works.

Source: group commit, DeWitt et al., "Implementation Techniques for Main Memory Database Systems" (SIGMOD 1984), §5.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from auth_service.errors import AuthError, Unavailable

Item = TypeVar("Item")
Result = TypeVar("Result")
_WHOLE = 16  # what is not halved: a further transaction would cost more than the event loop gains
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
        on_batch: Callable[[int], None] = lambda _size: None,
    ) -> None:
        """Batch calls of *apply*, which returns one result for each item, or raises and has done nothing.

        Args:
            apply: one transaction.
            max_batch: the most items that one transaction carries.
            max_waiting: the most items that wait; a further one is refused.
            on_batch: told the size of each batch that was committed.
        """
        self._apply, self._on_batch = apply, on_batch
        self._max_batch, self._max_waiting = max_batch, max_waiting
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Result:
        """Return the result for *item* once its transaction is committed.

        Raises:
            Unavailable: too many wait, or the transaction failed; then nothing of it has happened.
        """
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable(f"{self._max_waiting} rotations wait already")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="group commit")
        return await future

    async def drain(self) -> None:
        """Return when nothing waits any more: what was submitted is committed or has failed."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        batch: list[_Waiting[Item, Result]] = []
        try:
            while self._waiting:
                # The callers of the last batch are at work too: they read their answers, and come back.
                half = (len(batch) + len(self._waiting) + 1) // 2
                size = min(max(half, _WHOLE), len(self._waiting), self._max_batch)
                batch = [self._waiting.popleft() for _ in range(size)]
                await self._commit(batch)
        except asyncio.CancelledError as exc:
            # The event loop is being closed: nobody shall wait for ever.
            _fail([*batch, *self._waiting], exc)
            self._waiting.clear()
            raise
        finally:
            self._worker = None

    async def _commit(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            answered = list(zip(batch, await self._apply([item for item, _ in batch]), strict=True))
        except Exception as exc:
            _fail(batch, exc)
            return
        self._on_batch(len(batch))
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
