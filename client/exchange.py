"""One refresh request, repeated with the same key until an answer arrives or time is up."""

import asyncio

import stamina

from client.auth_api import AuthApi
from client.errors import RefreshUnavailable
from client.stats import Stats
from client.tokens import Tokens

WAIT_INITIAL_S = 0.1
WAIT_MAX_S = 5.0
WAIT_JITTER_S = 0.3
ATTEMPTS_IN_DEADLINE = 3  # one hung connection must not use up all the time there is


class Exchange:
    """Sends one refresh.

    Args:
        deadline: on the event loop's clock; no attempt outlives it.
        timeout_s: the time there was in all.
    """

    def __init__(self, api: AuthApi, stats: Stats, *, deadline: float, timeout_s: float) -> None:
        self._api = api
        self._stats = stats
        self._deadline = deadline
        self._attempt_s = timeout_s / ATTEMPTS_IN_DEADLINE
        self._last: RefreshUnavailable | None = None
        self._abandoned = False

    def abandon(self) -> None:
        """Send nothing more; an answer to what has been sent is still awaited."""
        self._abandoned = True

    async def run(self, refresh_token: str, idempotency_key: str) -> Tokens:
        """Return the new tokens.

        Raises:
            InvalidGrant, RefreshRejected: at once.
            RefreshUnavailable: when time is up, or when the service asks to wait beyond that.
        """
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._repeat(refresh_token, idempotency_key)
        except TimeoutError as error:
            raise self._last or RefreshUnavailable("refresh: no answer in time") from error

    async def _repeat(self, refresh_token: str, idempotency_key: str) -> Tokens:
        async for attempt in stamina.retry_context(
            self._backoff,
            attempts=None,
            timeout=None,
            wait_initial=WAIT_INITIAL_S,
            wait_max=WAIT_MAX_S,
            wait_jitter=WAIT_JITTER_S,
        ):
            with attempt:
                if self._abandoned and self._last:
                    raise self._last
                self._stats.retries += attempt.num > 1
                return await self._api.refresh(
                    refresh_token, idempotency_key=idempotency_key, timeout_s=self._attempt_s
                )
        raise AssertionError("stamina leaves its loop by return or raise")

    def _backoff(self, error: Exception) -> bool | float:
        if not isinstance(error, RefreshUnavailable) or self._abandoned:
            return False
        self._last = error
        left = self._deadline - asyncio.get_running_loop().time()
        if left <= 0:
            # The deadline has cancelled this task, and nobody heard: aiohttp takes back two cancellations where its own
            # timeout and ours fall into one turn of the event loop.
            return False
        # "At once", or a date that has passed, is no permission to knock without a pause.
        if error.retry_after is None or error.retry_after < WAIT_INITIAL_S:
            return True
        return error.retry_after if error.retry_after < left else False
