"""What one request of a load test is."""

import hashlib
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Final

import aiohttp

from ..wire.auth_api import AuthApi
from ..wire.url_policy import auth_base
from .options import Options, Scenario
from .users import VirtualUser

# Of a hundred requests, spread evenly. Logins are few: each costs a password hash, and people log in once a week.
_MIX: Final = {Scenario.READ: 90, Scenario.UPLOAD: 8, Scenario.REFRESH: 1, Scenario.LOGIN: 1}


class Wrong(Exception):
    """A request got another answer than it should; says which."""


def sequence(scenario: Scenario) -> Iterator[Scenario]:
    """Return what one request after another is, for ever."""
    if scenario is not Scenario.MIXED:
        return itertools.repeat(scenario)
    # The i-th of n requests of a kind stands at (i + ½) / n: every stretch of the run has the same mix.
    places = [((i + 0.5) / n, kind) for kind, n in _MIX.items() for i in range(n)]
    return itertools.cycle([kind for _, kind in sorted(places)])


class Operations:
    """Sends requests of all kinds.

    Args:
        password: of the account; for logins.
        auth_http: carries the calls to the auth service.
    """

    def __init__(self, options: Options, password: str, auth_http: aiohttp.ClientSession) -> None:
        self._options = options
        self._password = password
        self._api = AuthApi(
            auth_base(options.auth_url, allow_insecure=options.allow_insecure), auth_http, wall_clock=time.time
        )
        base = options.api_url.rstrip("/")
        self._home, self._echo = f"{base}/home", f"{base}/echo"
        self._body = os.urandom(options.body_bytes)
        self._digest = hashlib.sha256(self._body).hexdigest()
        self._calls: dict[Scenario, Callable[[VirtualUser], Awaitable[Callable[[], Awaitable[None]] | None]]] = {
            Scenario.READ: self._read,
            Scenario.UPLOAD: self._upload,
            Scenario.REFRESH: self._refresh,
            Scenario.LOGIN: self._login,
        }

    async def send(self, kind: Scenario, user: VirtualUser) -> Callable[[], Awaitable[None]] | None:
        """Send one request, and judge its answer. Returns what is to be cleaned up afterwards, outside the latency.

        Raises:
            Wrong: an answer that is not right.
            ClientError, aiohttp.ClientError, TimeoutError, OSError: no answer.
        """
        return await self._calls[kind](user)

    async def _read(self, user: VirtualUser) -> None:
        async with user.http.get(self._home) as response:
            await response.read()
        if response.status != HTTPStatus.OK:
            raise Wrong(f"GET /home answered {response.status}")

    async def _upload(self, user: VirtualUser) -> None:
        async with user.http.post(self._echo, data=self._body) as response:
            body = await response.read()
            if response.status != HTTPStatus.OK:
                raise Wrong(f"POST /echo answered {response.status}")
        # A client that replays a body wrongly gets 200 for other bytes.
        if self._digest.encode() not in body:
            raise Wrong("POST /echo received other bytes")

    async def _refresh(self, user: VirtualUser) -> None:
        await user.refresh()

    async def _login(self, _user: VirtualUser) -> Callable[[], Awaitable[None]]:
        options = self._options
        tokens = await self._api.login(options.username, self._password, timeout_s=options.timeout_s)

        async def log_out() -> None:
            await self._api.logout(tokens.refresh_token, timeout_s=options.timeout_s)

        return log_out
