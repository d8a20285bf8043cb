"""dualtoken's own client, for the scenarios."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from dualtoken.client import (
    AuthRejected,
    AuthUnavailable,
    BearerAuth,
    FileStorage,
    InvalidCredentials,
    LoginRequired,
    NotReplayable,
    TokenSource,
)
from dualtoken.client.clock import PassingClock
from tests.conformance.adapter import Answer, Body, BodySpent, SessionEnded, Unavailable
from tests.event_loop_time import put_forward


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the scenarios know for what the library raises."""
    try:
        yield
    except InvalidCredentials as error:
        raise PermissionError from error
    except LoginRequired as error:
        raise SessionEnded(error.reason) from error
    except (AuthUnavailable, AuthRejected) as error:
        raise Unavailable from error
    except NotReplayable as error:
        raise BodySpent from error


class OwnClient:
    """TokenSource, FileStorage and BearerAuth together."""

    def __init__(self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int) -> None:
        self._slept_s = 0.0
        self._tokens = TokenSource(
            auth_url,
            storage=FileStorage(token_file),
            refresh_timeout_s=timeout_s,
            clock=PassingClock(wall=lambda: time.time() + self._slept_s),
        )
        self._http = aiohttp.ClientSession(
            trust_env=True,
            middlewares=[BearerAuth(self._tokens, origins=[api_url])],
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(),  # none: the scenarios put the clock forward
        )

    async def login(self, username: str, password: str) -> None:
        """Open a session."""
        with translated():
            await self._tokens.login(username, password)

    async def request(self, method: str, url: str, body: Body = None) -> Answer:
        """Send a request."""
        with translated():
            async with self._http.request(method, url, data=body) as response:
                return Answer(response.status, await response.read())

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
        await self._http.close()
        await self._tokens.aclose()
