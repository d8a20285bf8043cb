"""SQLite's write lock, held by somebody else for a while that is shorter than a service waits for it."""

import functools
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import ParamSpec

from dualtoken.auth_service.store.sqlite import _BUSY_TIMEOUT_S

_ATTEMPTS = 5
P = ParamSpec("P")


class HeldTooLong(Exception):
    """The machine was so busy that the service gave the database up: what it answered proves nothing."""


class Lock:
    """How long the lock was held."""

    held_s = 0.0

    def proves_something(self) -> None:
        """Return if the service did not wait in vain.

        Raises:
            HeldTooLong: it may have.
        """
        if self.held_s >= _BUSY_TIMEOUT_S:
            raise HeldTooLong(f"{self.held_s} s")


@contextmanager
def locked(database: Path) -> Iterator[Lock]:
    """Hold the write lock during the block."""
    lock = Lock()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        since = time.monotonic()
        try:
            yield lock
        finally:
            other.execute("ROLLBACK")
            lock.held_s = time.monotonic() - since


def again_if_held_too_long(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """Repeat a test whose machine was too busy for it; nothing else is repeated, and the last attempt decides."""

    @functools.wraps(test)
    async def attempts(*args: P.args, **kwargs: P.kwargs) -> None:
        for _ in range(_ATTEMPTS - 1):
            with suppress(HeldTooLong):
                return await test(*args, **kwargs)
        return await test(*args, **kwargs)

    return attempts
