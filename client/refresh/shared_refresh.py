"""The single refresh task and its waiting callers."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ClientError, RefreshUnavailable
from ..tokens import TimedTokens
from ..wire.trace_context import context_of_the_cause
from .renewal import Renewal

_log = logging.getLogger("dualtoken.client")

Outcome = TimedTokens | ClientError


class SharedRefresh:
    """A renewal in a task of its own.

    Every caller waits on a future of its own, and one callback resolves them all: cancelling a caller, the first one
    included, touches nobody else, and costs the same whether ten or ten thousand wait. (``asyncio.shield`` would add
    a callback to the task for each, and remove it in linear time.)

    Args:
        on_landed: called once, with the outcome, when the task is done, before those who wait go on.
    """

    def __init__(
        self, renewal: Renewal, *, in_background: bool, on_landed: Callable[["SharedRefresh", Outcome], None]
    ) -> None:
        self.renewal = renewal
        self.in_background = in_background
        self._loop = asyncio.get_running_loop()
        self._on_landed = on_landed
        self._waiters: list[asyncio.Future[Outcome]] = []
        # A context of its own: the task outlives its starter, and must not run inside its span or transaction.
        context = context_of_the_cause()
        self.task = self._loop.create_task(renewal.run(), name="dualtoken-refresh", context=context)
        self.task.add_done_callback(self._land, context=context)

    async def wait(self) -> TimedTokens:
        """Wait for the outcome. May be cancelled.

        Raises:
            ClientError: an instance for each who waits.
        """
        waiter: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiters.append(waiter)
        outcome = await waiter
        if isinstance(outcome, ClientError):
            raise outcome.copy_for_raise()
        return outcome

    def cancel(self, outcome: Outcome) -> None:
        """Give way to a login or logout, whose *outcome* those who wait get now. The task sees to a late answer."""
        self.renewal.gives_way = True
        self.task.cancel()
        self._resolve(outcome)

    def _land(self, task: asyncio.Task[TimedTokens]) -> None:
        outcome = _outcome(task)
        self._on_landed(self, outcome)
        self._resolve(outcome)

    def _resolve(self, outcome: Outcome) -> None:
        """Tell everybody who waits, in the order in which they came."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            # An error is a result here: an exception set on a future whose caller is gone would be logged as lost.
            if not waiter.done():
                waiter.set_result(outcome)


def _outcome(task: asyncio.Task[TimedTokens]) -> Outcome:
    if task.cancelled():
        return RefreshUnavailable("refresh: interrupted")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, ClientError):
        return error
    _log.error("a refresh failed unexpectedly", exc_info=error)
    unavailable = RefreshUnavailable(f"refresh: {type(error).__name__}")
    unavailable.__cause__ = error
    return unavailable


async def finish(tasks: Iterable[asyncio.Task[Any] | None], grace_s: float) -> None:
    """Wait for *tasks*, then cancel what is left; not the one that asks, which would wait for itself."""
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    running = [task for task in tasks if task and not task.done() and task is not own and task.get_loop() is loop]
    if running:
        await asyncio.wait(running, timeout=grace_s)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
