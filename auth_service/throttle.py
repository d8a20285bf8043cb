"""Failed log-ins, limited per user name and per address.

An attempt is counted before its password is looked at, and given back when it succeeds: of however many that run at
once, no more are verified than may fail. A name is limited together with the address that tried it, so that a stranger
elsewhere cannot lock a user out. An address is limited whatever the names, ten times as wide; successes do not count,
so that any number of honest users fit behind one address. IPv6 counts by /64, and by /48 ten times as wide again: who
has one of these has 65,536 addresses otherwise.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from limits import RateLimitItem, RateLimitItemPerSecond

from auth_service.counters import Counters
from auth_service.errors import Busy, InvalidCredentials, TooManyAttempts
from auth_service.networks import network_of

WINDOW_S = 60
_ADDRESS_FACTOR = 10
_SITE_FACTOR = 100
_SITE_PREFIX = 48  # what a site gets at most where nobody asks for more (RFC 6177 §2)
_MAX_WAITING = 256


@dataclass(slots=True)
class _Attempts:
    """The attempts of this process under one key.

    ``present`` are all of them, ``held`` those that were counted and are not decided; ``freed`` is how often one of
    these gave room back. One at a time asks for room: who is refused then knows whom to wait for.
    """

    present: int = 0
    held: int = 0
    freed: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    decided: asyncio.Event = field(default_factory=asyncio.Event)

    def decide(self, *, frees: bool) -> None:
        """One that was held is decided: let all who wait look again."""
        self.held -= 1
        self.freed += frees
        self.decided.set()
        self.decided = asyncio.Event()


class Throttle:
    """Counts failures over a minute, for all processes that share ``Counters``."""

    def __init__(self, counters: Counters, failures: int, *, window_s: int = WINDOW_S) -> None:
        """Allow so many *failures* for each name and address, ten times that for an address, a hundred for a /48."""
        self._counters = counters
        self._by_name = RateLimitItemPerSecond(failures, window_s, namespace="login")
        self._by_address = RateLimitItemPerSecond(failures * _ADDRESS_FACTOR, window_s, namespace="login-address")
        self._by_site = RateLimitItemPerSecond(failures * _SITE_FACTOR, window_s, namespace="login-site")
        self._attempts: dict[str, _Attempts] = {}
        self._waiting = 0

    @asynccontextmanager
    async def attempt(self, username: str, address: str) -> AsyncIterator[None]:
        """Count an attempt that the block decides: it fails with ``InvalidCredentials``, or succeeds.

        Any other error leaves no count behind: nothing was learnt about the password.

        Raises:
            TooManyAttempts: with the whole seconds until one is allowed.
            Busy: too many wait for earlier attempts to be decided.
        """
        network, site = network_of(address), network_of(address, prefix=_SITE_PREFIX)
        by_name = (self._by_name, _digest(username, network))
        limits = [(self._by_address, _digest(network)), by_name]
        if site != network:  # IPv6
            limits.insert(0, (self._by_site, _digest(site)))
        async with AsyncExitStack() as stack:
            for limit in limits:
                await stack.enter_async_context(self._counted(*limit))
            yield
            await self._counters.forget(*by_name)

    @asynccontextmanager
    async def _counted(self, limit: RateLimitItem, key: str) -> AsyncIterator[None]:
        with self._present(key) as attempts:
            await self._take(limit, key, attempts)
            failed = False
            try:
                yield
            except InvalidCredentials:
                failed = True
                raise
            finally:
                if not failed:
                    await self._counters.give_back(limit, key)
                attempts.decide(frees=not failed)

    @contextmanager
    def _present(self, key: str) -> Iterator[_Attempts]:
        attempts = self._attempts.setdefault(key, _Attempts())
        attempts.present += 1
        try:
            yield attempts
        finally:
            attempts.present -= 1
            if not attempts.present:
                del self._attempts[key]

    async def _take(self, limit: RateLimitItem, key: str, attempts: _Attempts) -> None:
        while True:
            async with attempts.asking:
                freed = attempts.freed
                if await self._counters.take(limit, key):
                    attempts.held += 1
                    return
            # What is counted may be about to succeed: devices of one user that start at once.
            while attempts.freed == freed and attempts.held:
                await self._wait(attempts.decided)
            if attempts.freed == freed:
                raise TooManyAttempts(await self._counters.seconds_left(limit, key))

    async def _wait(self, decided: asyncio.Event) -> None:
        if self._waiting >= _MAX_WAITING:
            raise Busy(f"{self._waiting} attempts wait for earlier ones")
        self._waiting += 1
        try:
            await decided.wait()
        finally:
            self._waiting -= 1


def _digest(*parts: str) -> str:
    # Nobody should read in Redis what was typed as a user name: it may be a password.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
