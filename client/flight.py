"""The single refresh task, and those who wait for it."""

import asyncio
from collections.abc import Callable

from client.cause import context_of_the_cause
from client.errors import ClientError
from client.renewal import Renewal
from client.tokens import Lease


class Flight:
    """A renewal in a task of its own.

    Every caller waits on a future of its own, and one callback resolves them all: cancelling a caller, the first one
    included, touches nobody else, and costs the same whether ten or ten thousand wait. (``asyncio.shield`` would add
    a callback to the task for each, and remove it in linear time.)

    Args:
        on_landed: called once, when the task is done, before anybody who waits goes on.
    """

    def __init__(self, renewal: Renewal, *, in_background: bool, on_landed: Callable[["Flight"], None]) -> None:
        self.renewal = renewal
        self.in_background = in_background
        self.loop = asyncio.get_running_loop()
        self._on_landed = on_landed
        self._waiters: list[asyncio.Future[Lease | ClientError]] = []
        # A context of its own: the task outlives its starter, and must not run inside its span or transaction.
        self.task = self.loop.create_task(renewal.run(), name="dualtoken-refresh", context=context_of_the_cause())
        self.task.add_done_callback(lambda _: on_landed(self))

    async def wait(self) -> Lease:
        """Wait for the outcome. May be cancelled.

        Raises:
            ClientError: an instance for each who waits.
        """
        waiter: asyncio.Future[Lease | ClientError] = self.loop.create_future()
        self._waiters.append(waiter)
        outcome = await waiter
        if isinstance(outcome, ClientError):
            raise outcome.twin()
        return outcome

    def resolve(self, outcome: Lease | ClientError) -> None:
        """Tell everybody who waits, in the order in which they came."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            # An error is a result here: an exception set on a future whose caller is gone would be logged as lost.
            if not waiter.done():
                waiter.set_result(outcome)
