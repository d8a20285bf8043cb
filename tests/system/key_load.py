"""Real clients on every endpoint, for as long as a test changes what is beneath them."""

import asyncio
import json
import time
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from dualtoken.client import BearerAuth, ClientError, LoginRequired, TokenSource
from tests.deadline import HANGS_S
from tests.system.eventually import eventually
from tests.system.following import SECRET
from tests.system.processes import PASSWORD

_BODY = b"x" * 4096
_PAUSE_S = 0.01  # leaves the services a share of the processors
_RETRY_S = 0.05
AUTH = "auth"
LOGIN = f"{AUTH} POST /login, POST /logout"

Call = Callable[[], Awaitable[None]]


class Refused(Exception):
    """An answer that no honest caller should get."""


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        answered: good answers by endpoint.
        failures: everything else, but for
        retried: connections that the auth service did not take, or broke, while the test had stopped it.
        auth_may_be_down: whether that is so now.
    """

    answered: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    retried: Counter[str] = field(default_factory=Counter)
    auth_may_be_down: bool = False


def members_of(jwt: str, part: int) -> dict[str, object]:
    """Return the header (0) or the claims (1) of a JWT, unverified."""
    text = jwt.split(".")[part]
    return dict(json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))))


class Caller:
    """One session, that calls one endpoint after the other; logging in and out, too, if it *hashes*."""

    def __init__(self, auth: URL, resource: URL, tally: Tally, *, hashes: bool) -> None:
        self.rounds, self._hashes = 0, hashes
        self.may_go_on, self.pauses = asyncio.Event(), asyncio.Event()
        self.may_go_on.set()
        self.source = TokenSource(auth, on_login_required=self._logged_out)
        self._auth, self._resource, self._tally = auth, resource, tally
        bearer = BearerAuth(self.source, origins=[auth, resource])
        self._http = aiohttp.ClientSession(middlewares=[bearer])
        self._stranger = aiohttp.ClientSession()
        self._gateway = aiohttp.ClientSession(headers={"Authorization": f"Bearer {SECRET}"})

    @property
    def kid(self) -> str:
        """The key that signed the token in use."""
        assert self.source.current is not None
        return str(members_of(self.source.current.access_token, 0)["kid"])

    async def renew(self, kid: str) -> None:
        """Renew the token, as at an expiry, until it is signed by that key."""
        while True:
            assert self.source.current is not None
            await self.source.token(rejected=self.source.current.access_token)
            if self.kid == kid:
                return
            await asyncio.sleep(_RETRY_S)

    def _logged_out(self, error: LoginRequired) -> None:
        self._tally.failures.append(f"logged out: {error}")

    async def work(self) -> None:
        """Call until cancelled."""
        calls: dict[str, Call] = {
            "GET /home": self._home,
            "POST /echo": self._echo,
            "GET /health/ready": self._health_of(self._resource),
            f"{AUTH} GET /sessions": self._sessions,
            f"{AUTH} POST /introspect": self._introspect,
            f"{AUTH} GET /.well-known/jwks.json": self._key_set,
            f"{AUTH} GET /health/ready": self._health_of(self._auth),
        }
        if self._hashes:
            calls[LOGIN] = self._come_and_go
        while True:
            for name, call in calls.items():
                await self._count(name, call, is_auth=name.startswith(AUTH))
                await asyncio.sleep(_PAUSE_S)
            self.rounds += 1
            await self._pause()

    async def _pause(self) -> None:
        if not self.may_go_on.is_set():
            self.pauses.set()
            await self.may_go_on.wait()
            self.pauses.clear()

    async def _count(self, name: str, call: Call, *, is_auth: bool) -> None:
        while True:
            try:
                await call()
            except aiohttp.ClientConnectionError as exc:
                if is_auth and self._tally.auth_may_be_down:
                    self._tally.retried[name] += 1
                    await asyncio.sleep(_RETRY_S)
                    continue
                self._tally.failures.append(f"{name}: {exc!r}")
            except (aiohttp.ClientError, ClientError, Refused, TimeoutError) as exc:
                self._tally.failures.append(f"{name}: {exc!r}")
            else:
                self._tally.answered[name] += 1
            return

    async def _home(self) -> None:
        async with self._http.get(self._resource / "home") as response:
            _require(response, await response.read())

    async def _echo(self) -> None:
        async with self._http.post(self._resource / "echo", data=_BODY) as response:
            _require(response, await response.read())

    async def _sessions(self) -> None:
        async with self._http.get(self._auth / "sessions") as response:
            _require(response, await response.read())

    async def _come_and_go(self) -> None:
        credentials = {"username": "zs", "password": PASSWORD}
        async with self._stranger.post(self._auth / "login", json=credentials) as response:
            _require(response, await response.read())
            token = (await response.json())["refresh_token"]
        async with self._stranger.post(self._auth / "logout", json={"token": token}) as response:
            _require(response, await response.read())

    async def _key_set(self) -> None:
        async with self._stranger.get(self._auth / ".well-known" / "jwks.json") as response:
            _require(response, await response.read())

    def _health_of(self, service: URL) -> Call:
        async def ask() -> None:
            async with self._stranger.get(service / "health" / "ready") as response:
                _require(response, await response.read())

        return ask

    async def _introspect(self) -> None:
        token = await self.source.token()
        async with self._gateway.post(self._auth / "introspect", json={"token": token}) as response:
            _require(response, await response.read())
            active = (await response.json())["active"]
        expires = members_of(token, 1)["exp"]
        assert isinstance(expires, int)
        if not active and time.time() < expires:
            raise Refused("a live token is called inactive")

    async def aclose(self) -> None:
        """Close what is open."""
        await self.source.aclose()
        await self._http.close()
        await self._stranger.close()
        await self._gateway.close()


def _require(response: aiohttp.ClientResponse, body: bytes) -> None:
    if response.status != 200:
        raise Refused(f"{response.status} {body!r} {response.headers.get('WWW-Authenticate', '')}")


class Load:
    """Callers at work."""

    def __init__(self, callers: list[Caller], tally: Tally) -> None:
        self.callers, self.tally = callers, tally

    @property
    def refreshes(self) -> int:
        """How often a token was renewed."""
        return sum(caller.source.stats.refreshes for caller in self.callers)

    async def round(self) -> None:
        """Return once every caller has called every endpoint again."""
        goals = [caller.rounds + 2 for caller in self.callers]  # the round under way began before
        await eventually(lambda: all(caller.rounds >= goal for caller, goal in zip(self.callers, goals, strict=True)))

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Let callers finish their round and wait, until the end of the block."""
        for caller in self.callers:
            caller.may_go_on.clear()
        try:
            async with asyncio.timeout(HANGS_S):
                await asyncio.gather(*(caller.pauses.wait() for caller in self.callers))
            yield
        finally:
            for caller in self.callers:
                caller.may_go_on.set()

    async def signed_by(self, kid: str) -> None:
        """Return once every caller has used a token of that key on every endpoint."""
        async with asyncio.timeout(HANGS_S):
            await asyncio.gather(*(caller.renew(kid) for caller in self.callers))
        await self.round()


@asynccontextmanager
async def load(auth: URL, resource: URL, number: int) -> AsyncIterator[Load]:
    """Keep *number* callers at work until the end of the block."""
    tally = Tally()
    # One of them is enough to log in again and again: a password costs more than all the other calls.
    callers = [Caller(auth, resource, tally, hashes=not index) for index in range(number)]
    tasks: list[asyncio.Task[None]] = []
    try:
        for caller in callers:
            await caller.source.login("zs", PASSWORD)
        tasks = [asyncio.create_task(caller.work()) for caller in callers]
        yield Load(callers, tally)
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for caller in callers:
            await caller.aclose()
