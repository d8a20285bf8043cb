"""One refresh from beginning to end: adopt or ask, then persist, then publish."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from client.auth_api import AuthApi, InvalidGrant
from client.errors import ClientError, LoginRequired, RefreshUnavailable, StorageError
from client.exchange import Exchange
from client.held import Held
from client.persistence import Persistence
from client.storage import StoredSession
from client.tokens import Lease, Tokens

_log = logging.getLogger("dualtoken.client")
_T = TypeVar("_T")

KEY_BYTES: Final = 24
REVOKE_TIMEOUT_S: Final = 10.0


class Superseded(Exception):
    """A login or logout came between: what it left in memory and storage stands.

    Attributes:
        late: a request whose answer nobody wants any more, if one was sent.
    """

    def __init__(self, late: asyncio.Future[Tokens] | None = None) -> None:
        super().__init__()
        self.late = late


class Renewal:
    """One refresh.

    Attributes:
        rejected: access tokens that resource servers have refused: never to be returned.
        refreshed: the new tokens, if the auth service has answered with some and they were taken up.
    """

    def __init__(self, held: Held, persistence: Persistence, api: AuthApi, *, timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._held = held
        self._persistence = persistence
        self._api = api
        self._deadline = loop.time() + timeout_s
        self._exchange = Exchange(api, held.stats, deadline=self._deadline, timeout_s=timeout_s)
        self._journalled: str | None = None  # the Idempotency-Key that the storage holds for the token in memory
        self._begun_with = held.lease
        self._superseded: asyncio.Future[None] = loop.create_future()
        self.rejected: set[str] = set()
        self.refreshed: Tokens | None = None

    def supersede(self) -> None:
        """Give way to a login or logout: touch neither memory nor storage any more, and revoke a late answer."""
        self._exchange.abandon()
        if not self._superseded.done():
            self._superseded.set_result(None)

    async def run(self) -> Lease:
        """Return tokens that may be used.

        Raises:
            LoginRequired: the session has ended, which memory and storage say by now, too.
            RefreshUnavailable, RefreshRejected: nothing has changed.
            StorageError: nothing is known yet, and the storage cannot be read.
            Superseded: see :meth:`supersede`.
        """
        try:
            if (lease := await self._adopted()) is not None:
                return lease
            left = self._deadline - asyncio.get_running_loop().time()
            async with self._persistence.lock(max(left, 0.0)):
                return await self._renew()
        except Superseded as superseded:
            # The lock is free again: a new login need not wait for an auth service that hangs.
            if superseded.late is not None:
                await self._revoke_late(superseded.late)
            raise

    async def _renew(self) -> Lease:
        while (lease := await self._adopted()) is None:
            tokens = self._current().tokens
            if not await self._journal(tokens):
                continue
            asked_at = self._held.clock()
            try:
                answer = await self._ask(tokens)
            except InvalidGrant as refusal:
                await self._end(refusal.reason)
            else:
                if await self._install(answer, asked_at):
                    return self._current()
        return lease

    async def _adopted(self) -> Lease | None:
        """Return what somebody else has put into the storage, if it can be used."""
        await self._look()
        lease = self._current()
        usable = (
            lease is not self._begun_with
            and self._held.clock() < lease.expires_at
            and lease.tokens.access_token not in self.rejected
        )
        return lease if usable else None

    async def _look(self) -> None:
        """Read the storage, and take over what is news."""
        found = await self._in_time(self._persistence.load(self._held.refresh_token))
        self._check_superseded()
        held, session = self._held, found.session
        first = held.lease is None and held.ended is None
        if first and found.trouble is not None:
            # There may be a session: this is no reason to ask for a login.
            raise StorageError(f"stored tokens cannot be read: {found.trouble}") from found.trouble
        if session is not None and (found.is_news or first):
            held.adopt(session)
        self._journalled = None
        if session is not None and session.refresh_token == held.refresh_token:
            # Another process may have sent this refresh, and died.
            self._journalled = session.idempotency_key
            held.idempotency_key = session.idempotency_key or held.idempotency_key

    def _current(self) -> Lease:
        if self._held.lease is None:
            raise LoginRequired(self._held.ended or "no_session")
        return self._held.lease

    async def _journal(self, tokens: Tokens) -> bool:
        """Choose the Idempotency-Key and store it. False if the storage has changed under us."""
        known = self._held.idempotency_key
        self._held.stats.resumed += known is not None
        if known is not None and known == self._journalled:
            return True
        self._held.idempotency_key = known or secrets.token_urlsafe(KEY_BYTES)
        written = await self._in_time(self._persistence.journal(self._held.session(tokens)))
        self._check_superseded()
        if not written:
            self._held.idempotency_key = known
        return written

    async def _ask(self, tokens: Tokens) -> Tokens:
        if (pause := self._held.not_before - self._held.clock()) > 0:
            raise RefreshUnavailable("refresh: the auth service asks to be left alone", pause)
        key = self._held.idempotency_key or ""
        request = asyncio.create_task(self._exchange.run(tokens.refresh_token, key))
        try:
            either: set[asyncio.Future[Any]] = {request, self._superseded}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._exchange.abandon()  # should the cancellation get lost on its way: see Exchange
            request.cancel()
            await asyncio.wait([request])
            raise
        if self._superseded.done():
            raise Superseded(request)
        return request.result()

    async def _install(self, answer: Tokens, asked_at: float) -> bool:
        """Persist, then publish. False if the storage holds something by now that wins."""
        session = self._held.refreshed(answer)
        kept = await self._persistence.keep(session)
        if self._superseded.done():
            raise Superseded(_done(answer))
        if kept is False and await self._outdone(session, answer):
            return False
        self._held.publish(session, asked_at)
        self._held.stats.refreshes += 1
        self.refreshed = session.tokens
        return True

    async def _outdone(self, session: StoredSession, answer: Tokens) -> bool:
        """Tell whether what the storage holds instead of *session* wins. If it does, it is adopted."""
        found = await self._persistence.load(self._held.refresh_token)
        stored = found.session
        self._check_superseded(answer)
        if found.trouble is not None:  # nobody knows: the new tokens are good, and saved when the storage works again
            return False
        if stored is None:  # somebody has removed the file: not a logout
            await self._persistence.keep(session)
            self._check_superseded(answer)
            return False
        if stored.refresh_token == session.refresh_token:  # another process has taken up the same journalled request
            return False
        self._held.adopt(stored)
        if stored.tokens is None or stored.login_id != session.login_id:
            await self._revoke_late(_done(answer))
        return True

    async def _end(self, reason: str) -> None:
        """Log out, unless the storage holds something newer than what was refused."""
        kept = await self._persistence.keep(self._held.ended_by(reason))
        self._check_superseded()
        if kept is not False:
            self._held.lease, self._held.ended = None, reason

    async def _revoke_late(self, late: asyncio.Future[Tokens]) -> None:
        try:
            tokens = await late
            self._held.stats.discarded += 1
            await self._api.logout(tokens.refresh_token, timeout_s=REVOKE_TIMEOUT_S)
        except InvalidGrant:
            return
        except ClientError as error:
            _log.warning("a token that came too late could not be revoked: %s", error)

    def _check_superseded(self, answer: Tokens | None = None) -> None:
        if self._superseded.done():
            raise Superseded(None if answer is None else _done(answer))

    async def _in_time(self, step: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await step
        except TimeoutError as error:
            raise RefreshUnavailable("refresh: the storage did not answer in time") from error


def _done(answer: Tokens) -> asyncio.Future[Tokens]:
    future: asyncio.Future[Tokens] = asyncio.get_running_loop().create_future()
    future.set_result(answer)
    return future
