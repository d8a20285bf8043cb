"""Honest users of a whole stack: some only refresh, as fast as may be; others call the resource service."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

import aiohttp

from dualtoken.client import BearerAuth, ClientError, FileStorage, TokenSource
from tests.deadline import HANGS_S
from tests.system.history import History, Replayed, violations
from tests.system.honest import HonestClient, TurnedAway, present

_REFRESH_TIMEOUT_S = 60
_LONGEST_PAUSE_S = 0.1


class User(Protocol):
    """Somebody who does one thing again and again."""

    name: str

    async def act(self) -> None:
        """Do it once, until it is answered. Raises: TurnedAway."""


class Refresher:
    """Refreshes; its journal holds token and key, as a client's file would."""

    def __init__(self, honest: HonestClient) -> None:
        self.name, self.honest = honest.name, honest

    async def act(self) -> None:
        """Refresh until it is answered."""
        await self.honest.refresh()


class Visitor:
    """Calls ``GET /home`` through the client library, which refreshes; the token file is a real one."""

    def __init__(self, name: str, tokens: TokenSource, http: aiohttp.ClientSession, home: str) -> None:
        self.name, self.tokens, self.sid = name, tokens, ""
        self.failures: list[str] = []
        self.visits = 0
        self._http, self._home = http, home

    async def act(self) -> None:
        """Call once, again if a token expires on its way. Whatever is no 200 for the same session is a failure."""
        try:
            while True:
                async with self._http.get(self._home) as response:
                    body = await response.json()
                if body.get("error_description") != "expired":
                    break
        except (aiohttp.ClientError, ClientError, TimeoutError) as exc:
            self.failures.append(f"{self.name}: {exc!r}")
            return
        if response.status != 200:
            self.failures.append(f"{self.name}: {response.status} {body}")
            return
        self.sid = self.sid or body["data"]["sid"]
        if body["data"]["sid"] != self.sid:
            self.failures.append(f"{self.name}: another session")
        self.visits += 1


@dataclass
class Crowd:
    """Users, and what they saw. ``served`` counts for each user what was answered."""

    auth_url: str
    resource_url: str
    http: aiohttp.ClientSession
    rng: random.Random
    history: History = field(default_factory=History)
    refreshers: list[Refresher] = field(default_factory=list)
    visitors: list[Visitor] = field(default_factory=list)
    served: Counter[str] = field(default_factory=Counter)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    @classmethod
    @asynccontextmanager
    async def logged_in(
        cls, auth_url: str, resource_url: str, account: dict[str, str], folder: Path, *, refreshers: int, visitors: int
    ) -> AsyncIterator[Self]:
        """Log everybody in, each to a session of its own."""
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            crowd = cls(auth_url, resource_url, http, random.Random(folder.name))
            for number in range(refreshers):
                async with http.post(f"{auth_url}/login", json=account, raise_for_status=True) as response:
                    token = (await response.json())["refresh_token"]
                rng = random.Random(crowd.rng.random())
                name = f"refresher-{number}"
                crowd.refreshers.append(Refresher(HonestClient(name, token, auth_url, http, crowd.history, rng)))
            for number in range(visitors):
                storage = FileStorage(folder / f"tokens-{number}.json")
                source = TokenSource(auth_url, storage=storage, refresh_timeout_s=_REFRESH_TIMEOUT_S)
                tokens = await stack.enter_async_context(source)
                await tokens.login(account["username"], account["password"])
                signing = aiohttp.ClientSession(middlewares=[BearerAuth(tokens, origins=[resource_url])])
                signed = await stack.enter_async_context(signing)
                crowd.visitors.append(Visitor(f"visitor-{number}", tokens, signed, f"{resource_url}/home"))
            yield crowd

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Let everybody act while the block runs, and finish what is under way."""
        over = asyncio.Event()
        acting = [asyncio.create_task(self._act(user, over)) for user in self._users()]
        try:
            await self.everybody_is_served()
            yield
            await self.everybody_is_served()
        finally:
            over.set()
            await asyncio.gather(*acting)

    def _users(self) -> Iterable[User]:
        return (*self.refreshers, *self.visitors)

    async def _act(self, user: User, over: asyncio.Event) -> None:
        rng = random.Random(self.rng.random())
        with suppress(TurnedAway):  # the history knows
            while not over.is_set():
                await user.act()
                async with self._news:
                    self.served[user.name] += 1
                    self._news.notify_all()
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), rng.uniform(0, _LONGEST_PAUSE_S))

    async def everybody_is_served(self) -> None:
        """Return when each user has had one more answer, to something asked after this call.

        Raises:
            TimeoutError: somebody has not.
        """
        before = self.served.copy()
        users = [user.name for user in self._users() if not self._is_turned_away(user)]
        async with asyncio.timeout(HANGS_S), self._news:
            # The first answer may belong to a request that was under way.
            await self._news.wait_for(lambda: all(self.served[name] >= before[name] + 2 for name in users))

    @staticmethod
    def _is_turned_away(user: User) -> bool:
        return isinstance(user, Refresher) and user.honest.turned_away

    async def judged(self) -> list[str]:
        """Refresh once more in calm, send a thief after each session; return what the promise forbids."""
        refreshers = [user.honest for user in self.refreshers if not user.honest.turned_away]
        for honest in refreshers:
            await honest.settle()
        for honest in refreshers:
            token = self.history.spent_token(honest.name)
            answer = await present(self.http, self.auth_url, token, "the-thief-makes-one-up")
            self.history.events.append(Replayed(honest.name, token, answer.status, answer.reason))
        failures = [failure for visitor in self.visitors for failure in visitor.failures]
        return failures + violations(self.history.events, self.history.first)
