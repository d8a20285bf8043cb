"""The demonstration: hundreds of requests at each expiry cost one refresh, and a thief ends the session."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, hdrs
from rich.console import Console
from rich.live import Live

from ..errors import ClientError, LoginRequired
from ..middleware import BearerAuth
from ..source import TokenSource
from ..tokens import Tokens
from .claims import Burst, Claims, expires_at, is_due, token_life_s
from .demo_view import View, verdict
from .services import Deployment, Services, new_deployment

SIZES: Final = (200, 250, 300, 250)
SIZES_WHERE_SLOW: Final = (200, 250)
SLOW_LIFE_S: Final = 20  # from this life of a token on, each expiry takes its time
LONG_LIFE_S: Final = 3600
BEHIND_S: Final = 60.0  # that a surprised client's clock is late, beyond the life of a token
CONNECTIONS: Final = 100
# They end what hangs; no claim is judged by them.
REFRESH_TIMEOUT_S: Final = 600.0
REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=1800.0)


class Clock:
    """The source's clock. Set back, it makes an expiry come as a surprise; set ahead, it brings one about."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        """Return monotonic seconds, or what this clock takes for them."""
        return time.monotonic() + self.ahead_s


class Demo:
    """One client of *services*.

    Attributes:
        claims: what was counted so far.
        waiting: 0 to 1 while an access token runs out, else None.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = Clock()
        self.claims = Claims()
        self.waiting: float | None = None
        self.source = TokenSource(
            services.auth_url, clock=self._clock, refresh_timeout_s=REFRESH_TIMEOUT_S, on_refresh=self._renewed
        )
        self._tokens: Tokens | None = None

    @asynccontextmanager
    async def logged_in(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Log in for the time of the block; yield what sends requests."""
        auth = BearerAuth(self.source, origins=[self._services.api_url])
        async with (
            self.source,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                middlewares=[auth, self._count],
                timeout=REQUEST_TIMEOUT,
            ) as http,
        ):
            self._tokens = await self.source.login(self._services.username, self._services.password)
            yield http

    async def measure(self, http: aiohttp.ClientSession) -> float:
        """Return how many seconds a first burst takes on this machine."""
        begun = time.monotonic()
        await self._fire(Burst(SIZES[0], surprise=False), http)
        return time.monotonic() - begun

    async def run(self, http: aiohttp.ClientSession, sizes: tuple[int, ...]) -> None:
        """Let the token run out again and again, then be robbed."""
        for number, size in enumerate(sizes):
            burst = Burst(size, surprise=number % 2 == 1)
            life_s = await self._expiry()
            self._clock.ahead_s = -(life_s + BEHIND_S) if burst.surprise else 0.0
            await self._fire(burst, http)
        await self._rob()

    async def _expiry(self) -> float:
        """Wait until the token's own ``exp`` is past and the client holds it for expired. Return its life, in s."""
        while True:
            # Looked up each time: on a slow machine the last burst may have begun a renewal ahead of time.
            tokens = self._current()
            life_s = tokens.expires_in or 0.0
            end = max(expires_at(tokens.access_token), tokens.obtained_at + life_s)
            left = end - time.time()
            if left <= 0:
                self.waiting = None
                return life_s
            self.waiting = 1 - min(left / life_s, 1.0)
            await asyncio.sleep(min(left, 0.1))

    async def _fire(self, burst: Burst, http: aiohttp.ClientSession) -> None:
        self.claims.bursts.append(burst)
        await asyncio.gather(*(self._request(burst, http) for _ in range(burst.requests)))
        burst.done = True

    async def _request(self, burst: Burst, http: aiohttp.ClientSession) -> None:
        begun = time.monotonic()
        try:
            async with http.get(f"{self._services.api_url}/home") as response:
                await response.read()
            burst.answered += response.status == HTTPStatus.OK
            burst.failed += response.status != HTTPStatus.OK
        except (ClientError, aiohttp.ClientError):
            burst.failed += 1
        burst.longest_s = max(burst.longest_s, time.monotonic() - begun)

    async def _count(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        token = request.headers[hdrs.AUTHORIZATION].removeprefix("Bearer ")
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            burst = self.claims.bursts[-1]
            burst.refused += 1
            burst.refused_alive += time.time() < expires_at(token)
        return response

    def _renewed(self, tokens: Tokens) -> None:
        replaced, self._tokens = self._tokens, tokens
        if self.claims.bursts and not self.claims.theft:
            burst = self.claims.bursts[-1]
            burst.refreshes += 1
            burst.due += replaced is not None and is_due(replaced, time.time())

    async def _rob(self) -> None:
        """Present a copy of a refresh token that its owner has spent."""
        told = self.claims.theft
        stolen = self._current().refresh_token
        told.append((True, "A thief copies the refresh token."))
        await self._let_expire()
        await self.source.token()
        told.append((stolen != self._current().refresh_token, "Its owner spends it."))
        got = await self._replay(stolen)
        told.append((got == (400, "invalid_grant", "reused"), f"The thief presents the copy: {_in_words(got)}."))
        await self._let_expire()
        try:
            await self.source.token()
        except LoginRequired as error:
            told.append((True, f"The session is over for both; the owner is asked to log in again ({error.reason})."))
        else:
            told.append((False, "The session went on."))

    async def _let_expire(self) -> None:
        self._clock.ahead_s += (self._current().expires_in or 0.0) + 1.0

    async def _replay(self, stolen: str) -> tuple[int, object, object]:
        async with (
            aiohttp.ClientSession(timeout=REQUEST_TIMEOUT) as thief,
            thief.post(f"{self._services.auth_url}/refresh", json={"refresh_token": stolen}) as response,
        ):
            answer = await response.json()
        return response.status, answer.get("error"), answer.get("reason")

    def _current(self) -> Tokens:
        if self.source.current is None:
            raise LoginRequired
        return self.source.current


def _in_words(answer: tuple[object, ...]) -> str:
    return " ".join(map(str, answer))


async def _life_here(deployment: Deployment) -> int:
    """Return how long tokens live in this demonstration: as a first burst on this machine has it."""
    async with deployment.serving(access_ttl_s=LONG_LIFE_S) as services:
        first = Demo(services)
        async with first.logged_in() as http:
            return token_life_s(await first.measure(http))


async def run(console: Console) -> bool:
    """Run the demonstration; tell whether every claim held.

    Raises:
        ServiceFailed: a service did not start.
        ClientError: the run broke off.
    """
    async with AsyncExitStack() as stack:
        with console.status("starting both services on SQLite and free ports, and measuring a first burst"):
            deployment = await stack.enter_async_context(new_deployment())
            life_s = await _life_here(deployment)
            services = await stack.enter_async_context(deployment.serving(access_ttl_s=life_s, leeway_s=0))
        console.print(f"auth service {services.auth_url}   resource service {services.api_url}")
        demo = Demo(services)
        async with demo.logged_in() as http:
            with Live(View(demo, life_s), console=console, refresh_per_second=4):
                await demo.run(http, SIZES if life_s < SLOW_LIFE_S else SIZES_WHERE_SLOW)
        console.print(verdict(demo.claims))
        return demo.claims.held
