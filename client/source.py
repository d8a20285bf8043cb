"""TokenSource: one refresh for everybody."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from yarl import URL

from client.addresses import auth_base
from client.auth_api import AuthApi
from client.errors import ClientError, ConfigurationError, LoginRequired, RefreshUnavailable, StorageError
from client.events import Callback, Events
from client.flight import Flight
from client.held import Held
from client.persistence import Persistence
from client.renewal import Renewal, Superseded
from client.stats import Stats
from client.storage import Storage, StoredSession
from client.storage.memory import MemoryStorage
from client.tokens import Lease, Tokens

_log = logging.getLogger("dualtoken.client")

CLOSE_GRACE_S: Final = 5.0  # for a refresh under way; the journal covers one that is cut off
BACKGROUND_PAUSE_S: Final = 5.0  # after a background refresh that failed
MAX_PAUSE_S: Final = 60.0  # that a Retry-After can impose


class TokenSource:
    """Hands out access tokens of one session, and renews them so that nobody notices.

    For one event loop at a time; it may be used under another one afterwards. Not for several threads.

    Args:
        auth_url: address of the auth service; a path is kept.
        storage: where the session is kept; None: in memory.
        refresh_timeout_s: how long one refresh may take, retries and waiting for other processes included.
        session: used for the calls to the auth service if given, its middlewares bypassed; never closed.
        clock: monotonic seconds.
        wall_clock: seconds since the epoch; only for what the storage tells other processes.
        on_refresh: called once for each refresh with the new :class:`Tokens`; plain or async.
        on_login_required: called once when the session turns out to be gone, with the :class:`LoginRequired`.
        allow_insecure: permit plain http to a host that is not this machine.

    Attributes:
        stats: counters; see :class:`Stats`.

    Raises:
        ConfigurationError: an address that cannot work or would expose tokens; a timeout that is not positive.
    """

    def __init__(
        self,
        auth_url: str | URL,
        *,
        storage: Storage | None = None,
        refresh_timeout_s: float = 30.0,
        session: aiohttp.ClientSession | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        on_refresh: Callback[Tokens] | None = None,
        on_login_required: Callback[LoginRequired] | None = None,
        allow_insecure: bool = False,
    ) -> None:
        if not refresh_timeout_s > 0:
            raise ConfigurationError(f"refresh_timeout_s must be positive, not {refresh_timeout_s!r}")
        base = auth_base(auth_url, allow_insecure=allow_insecure)
        self.stats = Stats()
        self._clock = clock
        self._timeout_s = refresh_timeout_s
        self._api = AuthApi(base, session, wall_clock)
        self._held = Held(clock, wall_clock, self.stats)
        self._persistence = Persistence(MemoryStorage() if storage is None else storage, str(base), self.stats)
        self._events = Events(self.stats)
        self._on_refresh = on_refresh
        self._on_login_required = on_login_required
        self._announced = False  # whether on_login_required has been called for the session that is gone
        self._flight: Flight | None = None
        self._background_not_before = float("-inf")
        # The event loop itself keeps only weak references.
        self._leaving: set[asyncio.Task[Any]] = set()  # superseded renewals, which revoke a late answer
        self._saving: set[asyncio.Task[Any]] = set()  # tokens that could not be stored at once

    async def __aenter__(self) -> Self:
        """Return the source itself: nothing is opened before it is needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Who is interrupted wants to leave at once; the journal covers a refresh that is cut off.
        interrupted = kind is not None and issubclass(kind, asyncio.CancelledError)
        await self.aclose(grace_s=0.0 if interrupted else CLOSE_GRACE_S)

    @property
    def current(self) -> Tokens | None:
        """The tokens in memory, without asking anybody; None before the first use and after the session's end."""
        return None if self._held.lease is None else self._held.lease.tokens

    async def token(self, *, rejected: str | None = None) -> str:
        """Return an access token that may be used now.

        A token that is good and is not *rejected* is returned without a suspension point.

        Args:
            rejected: an access token that a resource server has answered with 401.

        Raises:
            LoginRequired: there is no session, or it has ended.
            RefreshUnavailable: no auth service within ``refresh_timeout_s``; nothing is lost.
            RefreshRejected: the auth service answers nonsense; nothing is lost.
            StorageError: there may be a session, but the storage cannot be read.
        """
        lease = self._held.lease
        if lease is not None and lease.tokens.access_token != rejected:
            now = self._clock()
            if now < lease.expires_at:
                if rejected is not None:
                    self.stats.late_401s += 1
                if now >= lease.renew_at:
                    self._renew_in_background(now)
                return lease.tokens.access_token
        tokens = (await self._renewed(rejected)).tokens
        if tokens.access_token == rejected:
            # The refresh that was under way had begun without knowing of this rejection.
            tokens = (await self._renewed(rejected)).tokens
        return tokens.access_token

    async def login(self, username: str, password: str) -> Tokens:
        """Open a session in place of the one there may be. A refresh under way gives way to it.

        Raises:
            InvalidCredentials: the current session, if any, goes on.
            AuthUnavailable, AuthRejected: likewise.
        """
        asked_at = self._clock()
        tokens = await self._api.login(username, password, timeout_s=self._timeout_s)
        session = StoredSession(tokens, login_id=secrets.token_hex(8))
        self._held.publish(session, asked_at)
        self._announced = False
        self._held.not_before = float("-inf")
        if self._held.lease is not None:
            self._supersede(self._held.lease)
        if not await self._persistence.overwrite(session):
            self._save_again(session)
        return tokens

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session here first, then at the auth service. A refresh under way gives way to it.

        Args:
            everywhere: end all sessions of the user.

        Raises:
            AuthUnavailable, AuthRejected: it has ended here, but the auth service could not be told.
            StorageError: it has ended, but the dead tokens could not be removed from the storage.
        """
        found = await self._persistence.load(self._held.refresh_token)
        # Another process may have renewed the session since.
        stored = found.session.refresh_token if found.session and found.is_news else None
        refresh_token = stored or self._held.refresh_token
        ended = self._held.ended_by("logged_out")
        self._held.lease, self._held.ended, self._announced = None, "logged_out", True
        self._supersede(LoginRequired("logged_out"))
        removed = await self._persistence.overwrite(ended)
        if refresh_token is not None:
            await self._api.logout(refresh_token, everywhere=everywhere, timeout_s=self._timeout_s)
        if not removed:
            raise StorageError("logged out, but the stored tokens could not be removed")

    async def aclose(self, *, grace_s: float = CLOSE_GRACE_S) -> None:
        """Let a refresh under way come in, for *grace_s* seconds, and stop all else. The source can be used again.

        A callback may call this, too: it is not waited for.
        """
        flight = self._own_flight()
        wanted = self._leaving | self._events.running | ({flight.task} if flight else set())
        if ours := _of_this_loop(wanted):
            await asyncio.wait(ours, timeout=grace_s)
        rest = _of_this_loop(wanted | self._saving)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._persistence.settle(self._held)

    def _own_flight(self) -> Flight | None:
        """Return the refresh under way, unless it belongs to an event loop that is gone."""
        if self._flight is not None and self._flight.loop is not asyncio.get_running_loop():
            self._flight = None
        return self._flight

    async def _renewed(self, rejected: str | None) -> Lease:
        if (flight := self._own_flight()) is None:
            flight = self._take_off(in_background=False)
        else:
            self.stats.coalesced += 1
        if rejected is not None:
            flight.renewal.rejected.add(rejected)
        return await flight.wait()

    def _renew_in_background(self, now: float) -> None:
        if self._own_flight() is None and now >= max(self._background_not_before, self._held.not_before):
            self.stats.background += 1
            self._take_off(in_background=True)

    def _take_off(self, *, in_background: bool) -> Flight:
        renewal = Renewal(self._held, self._persistence, self._api, timeout_s=self._timeout_s)
        self._flight = Flight(renewal, in_background=in_background, on_landed=self._landed)
        return self._flight

    def _landed(self, flight: Flight) -> None:
        outcome = _outcome(flight.task)
        if self._flight is not flight:  # superseded: those who waited know already
            return
        self._flight = None
        flight.resolve(outcome)
        if isinstance(outcome, ClientError):
            self._failed(flight, outcome)
            return
        self._announced = False
        if flight.renewal.refreshed is not None:
            self._refreshed(flight.renewal.refreshed)

    def _refreshed(self, tokens: Tokens) -> None:
        self._events.fire(self._on_refresh, tokens)
        if self._persistence.seen != tokens.refresh_token:
            self._save_again(self._held.session(tokens))

    def _failed(self, flight: Flight, error: ClientError) -> None:
        now = self._clock()
        if isinstance(error, LoginRequired):
            if not self._announced:
                self._announced = True
                self._events.fire(self._on_login_required, error.twin())
        elif isinstance(error, RefreshUnavailable) and error.retry_after is not None:
            self._held.not_before = now + min(error.retry_after, MAX_PAUSE_S)
        if flight.in_background:
            self._background_not_before = now + BACKGROUND_PAUSE_S
            _log.warning("background refresh failed, going on with the old token: %s", error)

    def _supersede(self, outcome: Lease | LoginRequired) -> None:
        """End the refresh under way for those who wait; its late answer is revoked when it comes."""
        flight, self._flight = self._own_flight(), None
        if flight is not None:
            flight.renewal.supersede()
            _hold(flight.task, self._leaving)
            flight.resolve(outcome)

    def _save_again(self, session: StoredSession) -> None:
        def is_current() -> bool:
            return self._held.refresh_token == session.refresh_token

        task = asyncio.get_running_loop().create_task(self._persistence.keep_trying(session, is_current))
        _hold(task, self._saving)


def _hold(task: asyncio.Task[Any], where: set[asyncio.Task[Any]]) -> None:
    where.add(task)
    task.add_done_callback(where.discard)


def _of_this_loop(tasks: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return those that can be waited for: not the one that asks, which would wait for itself."""
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    return {task for task in tasks if task.get_loop() is loop and not task.done() and task is not own}


def _outcome(task: asyncio.Task[Lease]) -> Lease | ClientError:
    """Return what a renewal came to."""
    if task.cancelled() or isinstance(task.exception(), Superseded):
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
