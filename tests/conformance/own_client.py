"""dualtoken's own client, for the scenarios."""

from pathlib import Path

import aiohttp

from client import (
    AuthRejected,
    AuthUnavailable,
    BearerAuth,
    FileStorage,
    InvalidCredentials,
    LoginRequired,
    NotReplayable,
    TokenSource,
)
from tests.conformance.adapter import Answer, Body, BodySpent, SessionEnded, Unavailable


class OwnClient:
    """TokenSource, FileStorage and BearerAuth together."""

    def __init__(self, auth_url: str, api_url: str, *, token_file: Path, timeout_s: float, connections: int) -> None:
        self._tokens = TokenSource(auth_url, storage=FileStorage(token_file), refresh_timeout_s=timeout_s)
        self._http = aiohttp.ClientSession(
            middlewares=[BearerAuth(self._tokens, origins=[api_url])],
            connector=aiohttp.TCPConnector(limit=connections),
        )

    async def login(self, username: str, password: str) -> None:
        """Open a session."""
        try:
            await self._tokens.login(username, password)
        except InvalidCredentials as error:
            raise PermissionError from error
        except (AuthUnavailable, AuthRejected) as error:
            raise Unavailable from error

    async def request(self, method: str, url: str, body: Body = None) -> Answer:
        """Send a request."""
        try:
            async with self._http.request(method, url, data=body) as response:
                return Answer(response.status, await response.read())
        except LoginRequired as error:
            raise SessionEnded(error.reason) from error
        except (AuthUnavailable, AuthRejected) as error:
            raise Unavailable from error
        except NotReplayable as error:
            raise BodySpent from error

    async def logout(self, *, everywhere: bool = False) -> None:
        """End the session."""
        await self._tokens.logout(everywhere=everywhere)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()
        await self._tokens.aclose()
