"""Passwords: argon2id (RFC 9106) off the event loop, one for each core at once, a bounded queue behind."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from auth_service.cores import share_of_cores
from auth_service.errors import Busy

# Under a flood of log-ins the threads would take the event loop's processor time, and rotation would wait.
_NICENESS = 19
_WAITING_PER_CORE = 16
R = TypeVar("R")
_Told = Callable[[int], None]
# RFC 9106 §4, the second recommended option; one lane: concurrency comes from the pool, not from within one hash.
HASHER = PasswordHasher(parallelism=1)


class Passwords:
    """Hashes and verifies. Raises ``Busy`` instead of queueing without bound."""

    def __init__(self, hasher: PasswordHasher = HASHER, *, cores: int | None = None) -> None:
        """Use *hasher* on as many threads as there are *cores*."""
        self._hasher = hasher
        self._cores = cores or share_of_cores(1)
        self._room = self._cores * (1 + _WAITING_PER_CORE)
        self._counting = threading.Lock()
        self.on_waiting: _Told = lambda _waiting: None
        """Called with each new value of ``waiting``, in the thread that changed it."""
        self._pool = ThreadPoolExecutor(self._cores, "argon2", initializer=_give_way)
        # Verified in place of the hash of a user who does not exist, so that both answers take one time.
        self._dummy = self._hasher.hash("a password that nobody has")

    @property
    def waiting(self) -> int:
        """How many hashes are being computed or wait."""
        return self._cores * (1 + _WAITING_PER_CORE) - self._room

    def admit(self) -> None:
        """Return if there is room for another: to be asked before anything is done for a log-in. Raises: Busy."""
        if self._room <= 0:
            raise Busy(f"{self.waiting} password hashes wait already")

    async def hash(self, password: str) -> str:
        """Return the argon2id hash in PHC string format. Raises: Busy."""
        return await self.run(partial(self._hasher.hash, password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; with no hash: False, in the same time. Raises: Busy."""
        matches = await self.run(partial(self._matches, password_hash or self._dummy, password))
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether the hash costs an attacker less than one of today's.

        One that costs more is left alone: processes of an older release must not undo what newer ones did.
        """
        made, today = extract_parameters(password_hash), self._hasher
        return made.type is not Type.ID or made.time_cost * made.memory_cost < today.time_cost * today.memory_cost

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def run(self, work: partial[R]) -> R:
        """Return what *work* returns, whose computation takes a hash's place. Raises: Busy."""
        self.admit()
        future = self._pool.submit(work)
        with self._counting:
            self._room -= 1
            self.on_waiting(self.waiting)
        # Counted until the thread is done, not until the caller is: one who hung up still occupies it.
        future.add_done_callback(self._release)
        return await asyncio.wrap_future(future)

    def _release(self, _future: object) -> None:
        with self._counting:
            self._room += 1
            self.on_waiting(self.waiting)

    def close(self) -> None:
        """Stop the threads; what still waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # On Linux a niceness belongs to a thread.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
