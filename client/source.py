"""TokenSource: one refresh for all callers."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from .clock import passing_s
from .errors import ConfigurationError, LoginRequired, RefreshUnavailable, StorageError
from .proof_keys import ProofKey
from .refresh.callbacks import Callback, Callbacks
from .refresh.persistence import Persistence
from .refresh.renewal import Renewal
from .refresh.shared_refresh import Outcome, SharedRefresh, finish
from .refresh.state import SessionState, logged_out, opened
from .stats import Stats
from .storage import Storage
from .storage.memory import MemoryStorage
from .storage.proof_key import existing_proof_key, proof_key_beside
from .tokens import TimedTokens, Tokens
from .wire.auth_api import AuthApi
from .wire.url_policy import auth_base

_log = logging.getLogger("dualtoken.client")

CLOSE_GRACE_S: Final = 5.0  # for a refresh under way; the journal covers one that is cut off
BACKGROUND_PAUSE_S: Final = 5.0  # after a background refresh that failed


class TokenSource:
    """Provides access tokens of one session, and refreshes them without the caller noticing.

    It serves one event loop at a time; another one may use it when that is closed, or after :meth:`aclose`.

    Args:
        auth_url: URL of the auth service; a path is kept.
        storage: where the session is stored; None: in memory.
        refresh_timeout_s: how long one refresh may take, including retries and waiting for other processes.
        session: makes the calls to the auth service if given, its middlewares bypassed; never closed.
        clock: seconds that pass, awake or asleep.
        wall_clock: seconds since the epoch; only for times that the storage shares with other processes.
        on_refresh: called once for each refresh with the new :class:`Tokens`; plain or async.
        on_login_required: called once when the session turns out to be gone, with the :class:`LoginRequired`.
        allow_insecure: permit plain http to a host that is not this machine.
        dpop: bind sessions to a key (RFC 9449 §5), so that a stolen refresh token alone is worthless: a
            :class:`ProofKey`, or True for one stored with the tokens: beside the file, in the key ring, in memory. A
            session that another process has bound to that key continues in any case.
        scope: the scope to which each refresh narrows the access token (RFC 6749 §6); None: the session's. The session
            keeps its own, and the login's access token has all of it. Sources that share a storage must use the same.

    Attributes:
        stats: counters; see :class:`Stats`.

    Raises:
        ConfigurationError: an address that cannot work or would expose tokens; a timeout that is not positive and
            finite; a key that is not available; a malformed scope.
        StorageError: the file of the key, or the key ring, cannot be used.
    """

    def __init__(
        self,
        auth_url: str | URL,
        *,
        storage: Storage | None = None,
        refresh_timeout_s: float = 30.0,
        session: aiohttp.ClientSession | None = None,
        clock: Callable[[], float] = passing_s,
        wall_clock: Callable[[], float] = time.time,
        on_refresh: Callback[Tokens] | None = None,
        on_login_required: Callback[LoginRequired] | None = None,
        allow_insecure: bool = False,
        dpop: bool | ProofKey = False,
        scope: str | None = None,
    ) -> None:
        if not 0 < refresh_timeout_s < math.inf:
            raise ConfigurationError(f"refresh_timeout_s must be positive and finite, not {refresh_timeout_s!r}")
        base = auth_base(auth_url, allow_insecure=allow_insecure)
        self.stats = Stats()
        self._clock, self._timeout_s = clock, refresh_timeout_s
        storage = MemoryStorage() if storage is None else storage
        key = (proof_key_beside(storage) if dpop else None) if isinstance(dpop, bool) else dpop
        self._api = AuthApi(base, session, wall_clock, key, lambda: existing_proof_key(storage), scope)
        self._state = SessionState(clock, wall_clock, self.stats)
        self._persistence = Persistence(storage, str(base), self.stats, timeout_s=refresh_timeout_s)
        self._callbacks = Callbacks(self.stats)
        self._on_refresh, self._on_login_required = on_refresh, on_login_required
        self._announced = False  # whether on_login_required has been called for the session that is gone
        self._loop: asyncio.AbstractEventLoop | None = None  # the one that uses this source
        self._is_closed = False
        self._flight: SharedRefresh | None = None
        self._leaving: set[SharedRefresh] = set()  # gave way to a login or logout, and revoke a late answer
        self._background_not_before = float("-inf")

    async def __aenter__(self) -> Self:
        """Return the source itself; connections open at their first use."""
        self._is_closed = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # On cancellation, exit at once; the journal makes an interrupted refresh safe to repeat.
        interrupted = kind is not None and issubclass(kind, asyncio.CancelledError)
        await self.aclose(grace_s=0.0 if interrupted else CLOSE_GRACE_S)

    @property
    def current(self) -> Tokens | None:
        """The tokens in memory, without a request; None before the first use and after the session's end."""
        return None if self._state.timed is None else self._state.timed.tokens

    async def token(self, *, rejected: str | None = None) -> str:
        """Return a usable access token.

        A valid token other than *rejected* is returned without a suspension point.

        Args:
            rejected: an access token that a resource server has answered with 401.

        Raises:
            LoginRequired: there is no session, or it has ended.
            RefreshUnavailable: no auth service within ``refresh_timeout_s``; nothing is lost.
            RefreshRejected: the auth service's answer makes no sense; nothing is lost.
            StorageError: there may be a session, but the storage cannot be read.
            RuntimeError: another event loop uses this source, and is open.
        """
        if self._loop is not asyncio.get_running_loop():
            self._use_here()
        timed = self._state.timed
        if timed is not None and timed.tokens.access_token != rejected:
            now = self._clock()
            if now < timed.expires_at:
                if rejected is not None:
                    self.stats.late_401s += 1
                if now >= timed.renew_at:
                    self._renew_in_background(now)
                return timed.tokens.access_token
        tokens = (await self._renewed(rejected)).tokens
        if tokens.access_token == rejected:
            # The refresh that was under way had begun without knowing of this rejection.
            tokens = (await self._renewed(rejected)).tokens
        return tokens.access_token

    def usable(self, rejected: str | None = None) -> str | None:
        """Return a token that is good, not *rejected* and not due for renewal; None if there is none. No I/O.

        Any thread may call it.
        """
        timed = self._state.timed
        if timed is None or timed.tokens.access_token == rejected or self._clock() >= timed.renew_at:
            return None
        return timed.tokens.access_token

    def is_too_fresh(self, refused: str) -> bool:
        """Tell whether a refresh would not help after the refusal of *refused*; each yes is counted.

        Yes: it is the current token, came from a refresh less than a minute ago, and has not expired.
        """
        fresh = self._state.is_fresh(refused)
        self.stats.refused_fresh += fresh
        return fresh

    async def login(self, username: str, password: str) -> Tokens:
        """Open a session and replace any earlier one. A running refresh gives way to it.

        Raises:
            InvalidCredentials: the current session, if any, continues.
            AuthUnavailable, AuthRejected: likewise.
            RuntimeError: another event loop uses this source, and is open.
        """
        self._use_here()
        with suppress(StorageError):
            await self._persistence.meet(self._state)  # this login is newer than what is there now
        asked_at = self._clock()
        tokens = await self._api.login(username, password, timeout_s=self._timeout_s)
        session = opened(tokens, self._state.session, self._api.jkt)
        self._state.publish(session, asked_at)
        self._is_closed = self._announced = False
        self._state.not_before = self._background_not_before = float("-inf")
        if self._state.timed is not None:
            self._cancel_refresh(self._state.timed)
        await self._persistence.overwrite(session)
        return tokens

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session here first, then at the auth service. A running refresh gives way to it.

        Args:
            everywhere: end all sessions of the user.

        Raises:
            AuthUnavailable, AuthRejected: it has ended here, but not at the auth service.
            StorageError: it has ended, but the dead tokens could not be removed from the storage.
            RuntimeError: another event loop uses this source, and is open.
        """
        self._use_here()
        unread: StorageError | None = None
        try:
            await self._persistence.meet(self._state)  # another process may have renewed the session since
        except StorageError as error:
            unread = error
        live, session = self._state.session, logged_out(self._state.session)
        self._state.publish(session, self._clock())
        self._announced = True
        self._cancel_refresh(LoginRequired("logged_out"))
        storing = asyncio.ensure_future(self._persistence.overwrite(session))
        try:
            if live is not None and live.refresh_token is not None:
                await self._api.logout(live.refresh_token, everywhere=everywhere, timeout_s=self._timeout_s)
        finally:
            await storing
        if unread is not None:
            raise unread
        if self._persistence.is_behind:
            raise StorageError("logged out, but the stored tokens could not be removed")

    async def aclose(self, *, grace_s: float = CLOSE_GRACE_S) -> None:
        """Wait for a running refresh, at most *grace_s* seconds, and stop everything else.

        The source can be used again, but starts no background refresh until it is entered or logged in again.
        A callback may call this, too; that callback is not waited for.

        Raises:
            RuntimeError: another event loop uses this source, and is open.
        """
        self._use_here()
        self._is_closed = True
        await finish(
            [*(flight.task for flight in {*self._leaving, self._flight} if flight), self._callbacks.task], grace_s
        )
        await self._persistence.settle()
        if self._flight is None:
            self._loop = None

    def _use_here(self) -> None:
        """Make the running event loop the one that uses this source."""
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            if not self._loop.is_closed():
                raise RuntimeError(
                    "this TokenSource belongs to another event loop, which is open: await aclose() there first, "
                    "call it there with asyncio.run_coroutine_threadsafe(), or make one for each loop, on one storage"
                )
            self._flight, self._leaving = None, set()  # they died with their loop
        self._loop = loop

    async def _renewed(self, rejected: str | None) -> TimedTokens:
        is_late = self._flight is not None and self._flight.renewal.is_nearly_over
        try:
            return await self._join(rejected)
        except RefreshUnavailable:
            if not is_late:
                raise
            return await self._join(rejected)  # time ran out before one attempt was made for this caller

    async def _join(self, rejected: str | None) -> TimedTokens:
        if (flight := self._flight) is None:
            flight = self._take_off(in_background=False)
        else:
            self.stats.coalesced += 1
        if rejected is not None:
            flight.renewal.rejected.add(rejected)
        return await flight.wait()

    def _renew_in_background(self, now: float) -> None:
        is_due = now >= max(self._background_not_before, self._state.not_before)
        if is_due and self._flight is None and not self._is_closed:
            self.stats.background += 1
            self._take_off(in_background=True)

    def _take_off(self, *, in_background: bool) -> SharedRefresh:
        renewal = Renewal(self._state, self._persistence, self._api, timeout_s=self._timeout_s)
        self._flight = SharedRefresh(renewal, in_background=in_background, on_landed=self._landed)
        return self._flight

    def _landed(self, flight: SharedRefresh, outcome: Outcome) -> None:
        self._leaving.discard(flight)
        if self._flight is not flight:  # cancelled: those who waited have been told
            return
        self._flight = None
        if not isinstance(outcome, TimedTokens):
            self._failed(flight, outcome)
            return
        self._announced = False
        if flight.renewal.refreshed is not None:
            self._callbacks.call(self._on_refresh, flight.renewal.refreshed)

    def _failed(self, flight: SharedRefresh, error: Exception) -> None:
        if isinstance(error, LoginRequired):
            if not self._announced:
                self._announced = True
                self._callbacks.call(self._on_login_required, error.copy_for_raise())
        elif isinstance(error, RefreshUnavailable) and error.retry_after is not None:
            self._state.pause(error.retry_after)
        if flight.in_background:
            self._background_not_before = self._clock() + BACKGROUND_PAUSE_S
            _log.warning("background refresh failed, going on with the old token: %s", error)

    def _cancel_refresh(self, outcome: Outcome) -> None:
        """End the refresh under way for those who wait; its late answer is revoked when it comes."""
        flight, self._flight = self._flight, None
        if flight is not None:
            self._leaving.add(flight)
            flight.cancel(outcome)
