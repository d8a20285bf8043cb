"""AsyncClient of httpx and of httpx2 with BearerAuth, for the scenarios."""

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any, ClassVar

import httpx
import httpx2

from dualtoken.client import FileStorage, TokenSource
from dualtoken.client.clock import PassingClock
from dualtoken.client.httpx import BearerAuth
from tests.conformance.adapter import Answer, Body
from tests.conformance.own_client import translated
from tests.event_loop_time import put_forward

# The scenarios speak plain HTTP: a context without the certificates that httpx would read for each client.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class HttpxClient:
    """TokenSource, FileStorage and httpx together."""

    library: ClassVar[Any] = httpx

    def __init__(self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int) -> None:
        self._slept_s = 0.0
        self._tokens = TokenSource(
            auth_url,
            storage=FileStorage(token_file),
            refresh_timeout_s=timeout_s,
            clock=PassingClock(wall=lambda: time.time() + self._slept_s),
        )
        self._http = self.library.AsyncClient(
            auth=BearerAuth(self._tokens, origins=[api_url]),
            limits=self.library.Limits(max_connections=connections),
            timeout=None,  # the scenarios put the clock forward
            verify=NO_TLS,
            follow_redirects=True,
        )

    async def login(self, username: str, password: str) -> None:
        """Open a session."""
        with translated():
            await self._tokens.login(username, password)

    async def request(self, method: str, url: str, body: Body = None) -> Answer:
        """Send a request."""
        with translated():
            response = await self._http.request(method, url, content=body)
            return Answer(response.status_code, response.content)

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session."""
        await self._tokens.logout(everywhere=everywhere)

    def sleep(self, seconds: float) -> None:
        """Move the wall clock, as sleep does."""
        self._slept_s += seconds

    async def let_pass(self, seconds: float) -> None:
        """Put the event loop's clock forward."""
        put_forward(asyncio.get_running_loop(), seconds)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()
        await self._tokens.aclose()


class Httpx2Client(HttpxClient):
    """The same with httpx2."""

    library = httpx2
