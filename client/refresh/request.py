"""One refresh request, repeated with the same key until an answer arrives or time is up."""

import asyncio
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential, wait_random

from ..errors import RefreshUnavailable
from ..stats import Stats
from ..storage import StoredSession
from ..tokens import Tokens
from ..wire.auth_api import AuthApi

WAIT_INITIAL_S: Final = 0.1
WAIT_MAX_S: Final = 5.0
WAIT_JITTER_S: Final = 0.3
ATTEMPTS_IN_DEADLINE: Final = 3  # one hung connection must not use up all the time there is

_backoff_s = wait_exponential(multiplier=WAIT_INITIAL_S, max=WAIT_MAX_S) + wait_random(0, WAIT_JITTER_S)


class RefreshRequest:
    """Sends one refresh.

    Args:
        deadline: on the event loop's clock; no attempt outlives it.
        attempt_s: how long one attempt may take.
    """

    def __init__(self, api: AuthApi, stats: Stats, *, deadline: float, attempt_s: float) -> None:
        self._api = api
        self._stats = stats
        self._deadline = deadline
        self._attempt_s = attempt_s
        self._last: RefreshUnavailable | None = None
        self._abandoned = False

    def abandon(self) -> None:
        """Send nothing more; an answer to what has been sent is still awaited."""
        self._abandoned = True

    async def send(self, session: StoredSession) -> Tokens:
        """Return new tokens for *session*, whose Idempotency-Key goes with each attempt.

        Raises:
            InvalidGrant, RefreshRejected: at once.
            RefreshUnavailable: when time is up, or when the service asks to wait beyond that.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._is_repeated), wait=self._pause_s, before_sleep=self._count, reraise=True
        )
        try:
            async with asyncio.timeout_at(self._deadline):
                return await retrying(self._attempt, session)
        except TimeoutError as error:
            raise self._last or RefreshUnavailable("refresh: no answer in time") from error

    async def _attempt(self, session: StoredSession) -> Tokens:
        if self._abandoned and self._last is not None:
            raise self._last
        return await self._api.refresh(
            session.refresh_token or "",
            idempotency_key=session.idempotency_key or "",
            timeout_s=self._attempt_s,
            bound_to=session.jkt,
        )

    def _is_repeated(self, error: BaseException) -> bool:
        if not isinstance(error, RefreshUnavailable) or self._abandoned:
            return False
        self._last = error
        left_s = self._deadline - asyncio.get_running_loop().time()
        # Past the deadline this task has been cancelled, and the cancellation can be lost: aiohttp takes back two where
        # its own timeout and ours fall into one turn of the event loop.
        return left_s > 0 and (error.retry_after or 0.0) < left_s

    def _pause_s(self, state: RetryCallState) -> float:
        asked_s = (self._last and self._last.retry_after) or 0.0
        # "At once", or a date that has passed, is no permission to knock without a pause.
        return asked_s if asked_s >= WAIT_INITIAL_S else _backoff_s(state)

    def _count(self, _state: RetryCallState) -> None:
        self._stats.retries += 1
