"""The demonstration: hundreds of requests at each expiry cost one refresh, and a thief ends the session."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from client.errors import ClientError, LoginRequired
from client.middleware import BearerAuth
from client.services import Services, running_services
from client.source import TokenSource

ACCESS_TTL_S: Final = 2
SIZES: Final = (200, 250, 300, 200, 250, 300)
SLOW_BY_S: Final = 60.0
CONNECTIONS: Final = 100


@dataclass(slots=True)
class Clock:
    """The source's clock; set back, it makes every expiry come as a surprise."""

    behind_s: float = 0.0

    def __call__(self) -> float:
        """Return monotonic seconds, or what this clock takes for them."""
        return time.monotonic() - self.behind_s


@dataclass(slots=True)
class Burst:
    """One burst of concurrent requests, and what became of it."""

    requests: int
    surprise: bool
    answered: int = 0
    failed: int = 0
    refused: int = 0
    refreshes: int = 0
    longest_s: float = 0.0
    done: bool = False

    @property
    def held(self) -> bool:
        """Whether it did what is claimed: every request answered, at the price of one refresh."""
        if self.failed or self.answered != self.requests or self.refreshes != 1:
            return False
        return (self.refused > 0) if self.surprise else (self.refused == 0)


class Demo:
    """One run against *services*; ``held`` tells whether every claim did."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = Clock()
        self.bursts: list[Burst] = []
        self.waiting: float | None = None  # 0 to 1, while an access token runs out
        self.theft: list[tuple[bool, str]] = []
        self.source = TokenSource(services.auth_url, clock=self._clock)

    @property
    def held(self) -> bool:
        """Whether every claim held so far."""
        return all(burst.held for burst in self.bursts) and all(ok for ok, _ in self.theft)

    async def run(self) -> None:
        """Log in, let the token run out again and again, then be robbed."""
        await self.source.login(self._services.username, self._services.password)
        async with self._session() as http:
            for number, size in enumerate(SIZES):
                burst = Burst(size, surprise=number % 2 == 1)
                await self._expiry()
                self._clock.behind_s = SLOW_BY_S if burst.surprise else 0.0
                self.bursts.append(burst)
                await self._fire(burst, http)
        await self._rob()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        auth = BearerAuth(self.source, origins=[self._services.api_url])
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with self.source, aiohttp.ClientSession(connector=connector, middlewares=[auth, self._count]) as http:
            yield http

    async def _count(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        self.bursts[-1].refused += response.status == HTTPStatus.UNAUTHORIZED
        return response

    async def _expiry(self) -> None:
        """Wait until the access token has run out at the resource service."""
        while True:
            # Asked each time: on a slow machine the last burst may have begun a renewal ahead of time.
            tokens = self.source.current
            if tokens is None or tokens.expires_in is None:
                raise LoginRequired
            left = tokens.obtained_at + tokens.expires_in - time.time()
            if left <= 0:
                break
            self.waiting = 1 - left / tokens.expires_in
            await asyncio.sleep(min(left, 0.05))
        self.waiting = None

    async def _fire(self, burst: Burst, http: aiohttp.ClientSession) -> None:
        before = self.source.stats.refreshes
        await asyncio.gather(*(self._request(burst, http) for _ in range(burst.requests)))
        burst.refreshes = self.source.stats.refreshes - before
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

    async def _rob(self) -> None:
        """Present a copy of a refresh token that its owner has spent."""
        stolen = self._current_refresh_token()
        await self.source.token(rejected=await self.source.token())
        self.theft.append(
            (stolen != self._current_refresh_token(), "A thief copied the refresh token; its owner spends it.")
        )
        async with (
            aiohttp.ClientSession() as thief,
            thief.post(f"{self._services.auth_url}/refresh", json={"refresh_token": stolen}) as response,
        ):
            answer = await response.json()
        got = (response.status, answer.get("error"), answer.get("reason"))
        words = " ".join(str(word) for word in got)
        self.theft.append((got == (400, "invalid_grant", "reused"), f"The thief presents the copy: {words}."))
        try:
            await self.source.token(rejected=await self.source.token())
        except LoginRequired as error:
            self.theft.append(
                (True, f"The session is over for both; the owner is asked to log in again ({error.reason}).")
            )
        else:
            self.theft.append((False, "The session went on."))

    def _current_refresh_token(self) -> str:
        if self.source.current is None:
            raise LoginRequired
        return self.source.current.refresh_token


def _table(demo: Demo) -> Table:
    table = Table(title=f"access tokens live {ACCESS_TTL_S} s; one client", title_justify="left")
    table.add_column("expiry", no_wrap=True)
    for name in ("requests", "answered", "401s", "refreshes", "longest wait"):
        table.add_column(name, justify="right", no_wrap=name != "longest wait")
    table.add_column("one refresh")
    for burst in demo.bursts:
        table.add_row(
            "a surprise" if burst.surprise else "foreseen",
            str(burst.requests),
            str(burst.answered),
            str(burst.refused),
            str(burst.refreshes) if burst.done else "",
            f"{burst.longest_s * 1000:.0f} ms",
            _mark(burst.held) if burst.done else Text("…"),
        )
    return table


def _mark(held: bool) -> Text:
    return Text("✔", "green") if held else Text("✘", "bold red")


class _View:
    """Draws the state of the run anew each time it is asked."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo

    def __rich__(self) -> Group:
        demo = self._demo
        lines: list[Table | Text | ProgressBar] = [_table(demo)]
        if demo.waiting is not None:
            lines += [Text("the access token runs out …", "dim"), ProgressBar(completed=demo.waiting * 100, width=60)]
        return Group(*lines, *(Text.assemble(_mark(ok), " ", sentence) for ok, sentence in demo.theft), Text())


def verdict(demo: Demo) -> Text:
    """Say in one line what came of it."""
    requests = sum(burst.requests for burst in demo.bursts)
    failed = sum(burst.failed for burst in demo.bursts)
    refreshes = sum(burst.refreshes for burst in demo.bursts)
    figures = f"{len(demo.bursts)} bursts, {requests} requests, {refreshes} refreshes, {failed} failures"
    if demo.held:
        return Text(f"Every claim held: {figures}; the stolen token ended its session.", "bold green")
    return Text(f"A claim FAILED: {figures}.", "bold red")


async def run(console: Console) -> bool:
    """Run the demonstration; tell whether every claim held.

    Raises:
        ServiceFailed: a service did not start.
        ClientError: the run broke off.
    """
    async with AsyncExitStack() as stack:
        with console.status("starting both services on SQLite and free ports"):
            services = await stack.enter_async_context(running_services(access_ttl_s=ACCESS_TTL_S, leeway_s=0))
        console.print(f"auth service {services.auth_url}   resource service {services.api_url}")
        demo = Demo(services)
        with Live(_View(demo), console=console, refresh_per_second=12):
            await demo.run()
        console.print(verdict(demo))
        return demo.held
