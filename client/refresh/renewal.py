"""One refresh from beginning to end: adopt or ask, then persist, then publish."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from dataclasses import replace
from typing import Final, TypeVar

from ..errors import ClientError, LoginRequired, RefreshUnavailable
from ..storage import StoredSession
from ..tokens import TimedTokens, Tokens
from ..wire.auth_api import AuthApi, InvalidGrant
from .persistence import Persistence
from .request import ATTEMPTS_IN_DEADLINE, RefreshRequest
from .state import SessionState, ended, journal_of, renewed

_log = logging.getLogger("dualtoken.client")
_T = TypeVar("_T")

KEY_BYTES: Final = 24
REVOKE_TIMEOUT_S: Final = 10.0


class Renewal:
    """One refresh.

    Attributes:
        rejected: access tokens that resource servers have refused: never to be returned.
        refreshed: the new tokens, if the auth service has answered with some and they were taken up.
        gives_way: set before the task is cancelled for a login or logout: what that left in memory and storage stands,
            and an answer that comes too late is revoked.
    """

    def __init__(self, state: SessionState, persistence: Persistence, api: AuthApi, *, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._state = state
        self._persistence = persistence
        self._api = api
        self._attempt_s = timeout_s / ATTEMPTS_IN_DEADLINE
        self._deadline = self._loop.time() + timeout_s
        self._begun_with = state.timed
        self._request = RefreshRequest(api, state.stats, deadline=self._deadline, attempt_s=self._attempt_s)
        self._answer: asyncio.Task[Tokens] | None = None
        self.rejected: set[str] = set()
        self.refreshed: Tokens | None = None
        self.gives_way = False

    @property
    def is_nearly_over(self) -> bool:
        """Whether less time is left than one attempt may take."""
        return self._left_s() < self._attempt_s

    async def run(self) -> TimedTokens:
        """Return tokens that may be used.

        Raises:
            LoginRequired: the session has ended, which memory and storage say by now, too.
            RefreshUnavailable, RefreshRejected: nothing has changed.
            StorageError: nothing is known yet, and the storage cannot be read.
        """
        try:
            if (timed := await self._found()) is not None:
                return timed
            async with self._persistence.lock(self._left_s()):
                while (timed := await self._found() or await self._refresh()) is None:
                    pass  # something newer came between, or the session has ended: look again
                return timed
        except asyncio.CancelledError:
            # The lock is free again: a new login need not wait for an auth service that hangs.
            await self._withdraw()
            raise

    async def _found(self) -> TimedTokens | None:
        """Return what somebody else has put into the storage, if it can be used.

        Raises:
            LoginRequired: there is no session.
        """
        await self._in_time(self._persistence.meet(self._state))
        session, timed = self._state.session, self._state.timed
        if timed is None:
            raise LoginRequired((session and session.ended) or "no_session")
        usable = (
            timed is not self._begun_with
            and self._state.clock() < timed.expires_at
            and timed.tokens.access_token not in self.rejected
        )
        return timed if usable else None

    async def _refresh(self) -> TimedTokens | None:
        """Ask the auth service. Return None if memory holds something else by now."""
        if (pause := self._state.not_before - self._state.clock()) > 0:
            raise RefreshUnavailable("refresh: the auth service asks clients to wait", pause)
        if (session := await self._journalled()) is None:
            return None
        asked_at = self._state.clock()
        self._answer = self._loop.create_task(self._request.send(session))
        await asyncio.wait([self._answer])  # a cancellation of this task leaves the request alone
        try:
            after = renewed(session, self._answer.result())
        except InvalidGrant as refusal:
            self._state.adopt(await self._persistence.keep(ended(session, refusal.reason)))
            return None
        return await self._take_up(after, asked_at)

    async def _journalled(self) -> StoredSession | None:
        """Choose the Idempotency-Key, and store it before the request leaves.

        Returns:
            The session with its key; None if the storage holds something newer, which is in memory by now.
        """
        session = self._state.session
        if session is None:
            return None
        if journal_of(session) is None:
            session = replace(session, idempotency_key=secrets.token_urlsafe(KEY_BYTES))
        else:
            self._state.stats.resumed += 1
        stored = await self._in_time(self._persistence.journal(session))
        if stored.order != session.order:
            self._state.adopt(stored)
            return None
        self._state.session = stored
        return stored

    async def _take_up(self, session: StoredSession, asked_at: float) -> TimedTokens | None:
        """Persist, then publish. Return None if the storage holds something newer, which is in memory by now."""
        stored = await self._persistence.keep(session)
        if stored.order > session.order:
            self._state.adopt(stored)
            if stored.login_id != session.login_id and session.tokens is not None:
                await self._revoke(session.tokens)
            return None
        self._state.publish(session, asked_at)
        self._state.stats.refreshes += 1
        self.refreshed = session.tokens
        return self._state.timed

    async def _withdraw(self) -> None:
        """See to a request that this task has left alone."""
        if self._answer is None:
            return
        self._request.abandon()
        if not self.gives_way:
            self._answer.cancel()  # the journal lets the next refresh repeat it
            await asyncio.gather(self._answer, return_exceptions=True)
            return
        try:
            answer = await self._answer
        except (InvalidGrant, ClientError):
            return
        await self._revoke(answer)

    async def _revoke(self, late: Tokens) -> None:
        self._state.stats.discarded += 1
        try:
            await self._api.logout(late.refresh_token, timeout_s=REVOKE_TIMEOUT_S)
        except ClientError as error:
            _log.warning("a token that came too late could not be revoked: %s", error)

    def _left_s(self) -> float:
        return max(self._deadline - self._loop.time(), 0.0)

    async def _in_time(self, step: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await step
        except TimeoutError as error:
            raise RefreshUnavailable("refresh: the storage did not answer in time") from error
