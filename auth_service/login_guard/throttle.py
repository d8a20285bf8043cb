"""Attempts with a password, limited per user name, per address and per session.

An attempt is counted before its password is looked at, and given back when it succeeds: of however many that run at
once, no more are verified than may fail. A name is limited together with the address that tried it, so that a stranger
elsewhere cannot lock a user out. An address is limited whatever the names, ten times as wide; successes do not count,
so that any number of honest users fit behind one address. They count for the user alone, sixty times as wide: each
leaves a session behind, and in the end an entry for whoever follows revocations. IPv6 counts by /64, and by /48 ten
times as wide again: who has one of these has 65,536 addresses otherwise.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from limits import RateLimitItem, RateLimitItemPerSecond

from dualtoken_serving.networks import network_of

from ..domain.names import normal_name
from ..errors import Busy, InvalidCredentials, TooManyAttempts, Unavailable
from ..grant_errors import InvalidAssertion, InvalidSessionCode
from .counters import Counters
from .shares import Asker

WINDOW_S = 60
_ADDRESS_FACTOR = 10
_SITE_FACTOR = 100
_SUCCESS_FACTOR = 60
_SITE_PREFIX = 48  # what a site gets at most where nobody asks for more (RFC 6177 §2)
_SUSPECT = 30  # a network is suspect beyond this part of its limit: three failures of a hundred
_Counts = Callable[[BaseException | None], bool]


class Throttle:
    """Counts over a minute, for all processes that share ``Counters``."""

    def __init__(self, counters: Counters, failures: int, *, window_s: int = WINDOW_S) -> None:
        """Allow so many *failures* for each name and address, ten times that for an address, a hundred for a /48."""
        self._counters = counters
        self._by_name = RateLimitItemPerSecond(failures, window_s, namespace="login")
        self._by_address = RateLimitItemPerSecond(failures * _ADDRESS_FACTOR, window_s, namespace="login-address")
        self._by_site = RateLimitItemPerSecond(failures * _SITE_FACTOR, window_s, namespace="login-site")
        self._by_success = RateLimitItemPerSecond(failures * _SUCCESS_FACTOR, window_s, namespace="login-success")
        self._by_session = RateLimitItemPerSecond(failures, window_s, namespace="password")
        self._by_user = RateLimitItemPerSecond(failures * _ADDRESS_FACTOR, window_s, namespace="password-user")
        self._undecided: Counter[str] = Counter()

    @asynccontextmanager
    async def log_in(self, username: str, address: str) -> AsyncIterator[Asker]:
        """Count a log-in that the block decides: it fails with ``InvalidCredentials``, or succeeds.

        Any other error leaves no count behind: nothing was learnt about the password.

        Raises:
            TooManyAttempts: with the whole seconds until one is allowed.
            Busy: attempts that are under way here may give room back.
        """
        asker = asker_of(username, address)
        by_name = (self._by_name, _digest(asker.username, asker.network))
        async with AsyncExitStack() as stack:
            for limit, network in self._networks_of(address):
                failures = await stack.enter_async_context(self._counted(limit, _digest(network), _is_failure))
                if failures > limit.amount // _SUSPECT:
                    asker = asker._replace(is_suspect=True)
            await stack.enter_async_context(self._counted(*by_name, _is_failure))
            await stack.enter_async_context(self._counted(self._by_success, _digest(asker.username), _is_success))
            yield asker
            await self._counters.forget(*by_name)

    @asynccontextmanager
    async def assertion(self, address: str) -> AsyncIterator[None]:
        """Count an assertion or session code that the block decides: it fails by an error of its own, or succeeds.

        It counts with the failed log-ins of its address.

        Raises:
            TooManyAttempts, Busy: as for a log-in.
        """
        async with AsyncExitStack() as stack:
            for limit, network in self._networks_of(address):
                await stack.enter_async_context(self._counted(limit, _digest(network), _is_failure))
            yield

    @asynccontextmanager
    async def opening(self, user_id: str) -> AsyncIterator[None]:
        """Count a session that the block opens for a user whom an assertion names, as successful log-ins count.

        Raises:
            TooManyAttempts, Busy: as for a log-in.
        """
        async with self._counted(self._by_success, _digest(user_id), _is_success):
            yield

    def _networks_of(self, address: str) -> list[tuple[RateLimitItem, str]]:
        """Return which networks an address counts for, the widest first."""
        of_site = [(self._by_site, site)] if (site := _site_of(address)) else []
        return [*of_site, (self._by_address, network_of(address))]

    @asynccontextmanager
    async def change(self, session_id: str, user_id: str) -> AsyncIterator[None]:
        """Count a change of password, whether it succeeds or not: each costs several hashes.

        Only an error of the service leaves no count behind. A thief's session uses up the owner's other ones' room no
        sooner than it has used its own ten times.

        Raises:
            TooManyAttempts: with the whole seconds until one is allowed.
            Busy: changes that are under way here may give room back.
        """
        async with (
            self._counted(self._by_session, _digest(session_id), _is_decided),
            self._counted(self._by_user, _digest(user_id), _is_decided),
        ):
            yield

    @asynccontextmanager
    async def _counted(self, limit: RateLimitItem, key: str, counts: _Counts) -> AsyncIterator[int]:
        """Count one more under *key*, for good if *counts* says so of how the block ends. Give the failures so far."""
        count, here = await self._counters.try_consume(limit, key), limit.key_for(key)
        if count is None:
            # What is under way may succeed: devices of one user that start at once.
            if self._undecided[here]:
                raise Busy("earlier attempts are under way")
            raise TooManyAttempts(await self._counters.seconds_left(limit, key))
        self._undecided[here] += 1
        end: BaseException | None = None
        try:
            yield count - self._undecided[here]
        except BaseException as exc:
            end = exc
            raise
        finally:
            self._undecided[here] -= 1
            if not self._undecided[here]:
                del self._undecided[here]
            if not counts(end):
                await self._counters.give_back(limit, key)


def _site_of(address: str) -> str:
    """Return the /48 that an address of IPv6 is in; nothing for any other."""
    site = network_of(address, prefix=_SITE_PREFIX)
    return site if site != network_of(address) else ""


def asker_of(username: str, address: str) -> Asker:
    """Return who asks, before anything is known of the network."""
    return Asker(normal_name(username), network_of(address), site=_site_of(address))


def _is_failure(end: BaseException | None) -> bool:
    return isinstance(end, InvalidAssertion | InvalidCredentials | InvalidSessionCode)


def _is_success(end: BaseException | None) -> bool:
    return end is None


def _is_decided(end: BaseException | None) -> bool:
    return not isinstance(end, Busy | Unavailable)


def _digest(*parts: str) -> str:
    # Nobody should read in Redis what was typed as a user name: it may be a password.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
