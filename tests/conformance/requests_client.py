"""requests with BearerAuth, on threads, for the scenarios."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import requests
from requests.adapters import HTTPAdapter

from dualtoken.client import FileStorage
from dualtoken.client.clock import PassingClock
from dualtoken.client.requests import BearerAuth
from dualtoken.client.sync import TokenSource
from tests.conformance.adapter import Answer, Body
from tests.conformance.own_client import translated
from tests.deadline import HANGS_S
from tests.event_loop_time import put_forward

THREADS = 128
T = TypeVar("T")


class RequestsClient:
    """A token source for threads, FileStorage and requests together; each request on a thread."""

    def __init__(self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int) -> None:
        self._slept_s = 0.0
        self._tokens = TokenSource(
            auth_url,
            storage=FileStorage(token_file),
            refresh_timeout_s=timeout_s,
            clock=PassingClock(wall=lambda: time.time() + self._slept_s),
        )
        self._http = requests.Session()
        self._http.auth = BearerAuth(self._tokens, origins=[api_url])
        self._http.mount("http://", HTTPAdapter(pool_maxsize=connections, pool_block=True))
        self._threads = ThreadPoolExecutor(THREADS)

    async def login(self, username: str, password: str) -> None:
        """Open a session."""
        with translated():
            await self._on_a_thread(partial(self._tokens.login, username, password))

    async def request(self, method: str, url: str, body: Body = None) -> Answer:
        """Send a request."""
        data = [chunk async for chunk in body] if isinstance(body, AsyncIterator) else body
        with translated():
            return await self._on_a_thread(partial(self._send, method, url, data))

    def _send(self, method: str, url: str, data: bytes | list[bytes] | None) -> Answer:
        sent: bytes | Iterator[bytes] | None = iter(data) if isinstance(data, list) else data
        response = self._http.request(method, url, data=sent, timeout=HANGS_S)
        return Answer(response.status_code, response.content)

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session."""
        await self._on_a_thread(partial(self._tokens.logout, everywhere=everywhere))

    def sleep(self, seconds: float) -> None:
        """Move the wall clock, as sleep does."""
        self._slept_s += seconds

    async def let_pass(self, seconds: float) -> None:
        """Put forward the clock of the event loop in the background, where refreshes run."""
        background = self._tokens._background
        if background is not None:
            loop = background._loop
            loop.call_soon_threadsafe(put_forward, loop, seconds)

    async def close(self) -> None:
        """Let go of connections; as often as asked."""
        await asyncio.to_thread(self._tokens.close)
        self._http.close()
        self._threads.shutdown(wait=False)

    async def _on_a_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
