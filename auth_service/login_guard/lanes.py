"""Threads that compute for log-ins, and how long anybody waits for them.

Most computations run at the lowest priority, or a flood of log-ins would take the processor time that renewals need.
On a busy host such a thread may starve. So one thread of the usual priority takes what comes alone, and what others
have not finished within a while; and nobody waits beyond a deadline.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TypeVar

from ..errors import Busy
from .fair_threads import FairThreads
from .shares import Asker, Place, Shares

_NICENESS = 19
_WAITING_PER_CORE = 16
PATIENCE_S = 3.0
DEADLINE_S = 10.0
R = TypeVar("R")


class Lanes:
    """Computes on as many patient threads as there are cores, and on a prompt one; sixteen for each core may wait."""

    def __init__(self, cores: int, *, patience_s: float = PATIENCE_S, deadline_s: float = DEADLINE_S) -> None:
        """After *patience_s* the prompt thread computes as well, after *deadline_s* the caller is refused."""
        self.patience_s, self.deadline_s = patience_s, deadline_s
        self._shares = Shares(cores * (1 + _WAITING_PER_CORE))
        self._patient = FairThreads(cores, "argon2", _give_way)
        self._prompt = FairThreads(1, "argon2-prompt")

    @property
    def waiting(self) -> int:
        """How many computations run or wait."""
        return self._shares.taken

    def tell(self, on_change: Callable[[int], None]) -> None:
        """Call *on_change* with each new value of ``waiting``, in the thread that changed it."""
        self._shares.on_change = on_change

    def require_room(self, asker: Asker | None = None) -> None:
        """Return if there is room for another: to be asked before anything is done for a log-in. Raises: Busy."""
        self._shares.require_room(asker)

    @asynccontextmanager
    async def place(self, asker: Asker | None = None) -> AsyncIterator[Place]:
        """Take a place in the queue for the block, which ends by the deadline.

        Raises:
            Busy: the queue, or the asker's share of it, is full, or the deadline is over.
        """
        place = self._shares.take(asker)
        try:
            async with asyncio.timeout(self.deadline_s):
                yield place
        except TimeoutError:
            raise Busy(f"not computed within {self.deadline_s} s") from None
        finally:
            place.let_go()

    async def run(self, work: partial[R], asker: Asker | None = None) -> R:
        """Return what *work* returns. Raises: Busy.

        It may be computed twice, and must let go of the interpreter's lock while it computes: see ``judge.py``.
        """
        computing: list[asyncio.Task[R]] = []
        async with self.place(asker) as place:
            lanes = [(self._patient, self.patience_s), (self._prompt, None)]
            try:
                for lane, timeout in lanes[self.waiting == 1 :]:
                    computing.append(asyncio.create_task(lane.run(work, place)))
                    done, _ = await asyncio.wait(computing, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                    if done:
                        break
                return done.pop().result()
            finally:
                for task in computing:
                    task.cancel()

    def close(self) -> None:
        """Stop the threads; what still waits is dropped."""
        for lane in (self._patient, self._prompt):
            lane.close()


def _give_way() -> None:
    # On Linux a niceness belongs to a thread.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
