"""Users who do everything that the contract offers, each in a session of their own, and now and then are robbed."""

import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from tests.deadline import HANGS_S
from tests.system.honest import TIMEOUT
from tests.system.ledger import Ledger
from tests.system.processes import PASSWORD

_PAUSE_S = 0.1
_LONGEST_UPLOAD = 256 * 1024
_IS_OVER = re.compile(r'error_description="(revoked|invalid)"')


@dataclass(frozen=True)
class Endpoint:
    """Where a service is reached, and the ledger of all that is sent there."""

    url: str
    http: aiohttp.ClientSession
    ledger: Ledger = field(default_factory=Ledger)


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer other than 503. ``first_time``: nothing was sent in vain before it."""

    status: int
    challenge: str
    body: bytes
    first_time: bool

    @property
    def reason(self) -> str:
        """Why a refresh was refused."""
        return str(json.loads(self.body).get("reason", ""))


class Lost(Exception):
    """The user was turned away without having done anything to deserve it."""


class User:
    """One account. It is ``name``'s; the password is everybody's.

    Attributes:
        did: what it did, by name; ``logout`` and ``reuse`` count the sessions that these ended.
    """

    def __init__(self, name: str, auth: Endpoint, resource: Endpoint, rng: random.Random) -> None:
        self.name, self.did = name, Counter[str]()
        self._auth, self._resource, self._rng = auth, resource, rng
        self._access = self._refresh = self._spent = ""

    async def live(self, over: asyncio.Event) -> None:
        """Come and go until it is *over*; then the session, if there is one, must be good.

        Raises:
            Lost: it is not.
        """
        while not over.is_set():
            if not self._refresh:
                await self._log_in()
            for _ in range(self._rng.randint(2, 6)):
                await self._round()
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), self._rng.uniform(0, _PAUSE_S))
            await self._rng.choice([self._log_out, self._is_robbed, self._mistypes, self._stays])()
        if self._refresh:
            await self._round()

    async def _round(self) -> None:
        await self._with_token(self._home)
        await self._with_token(self._upload)
        await self._with_token(self._list_sessions)
        await self._renew()

    async def _log_in(self) -> None:
        credentials = {"username": self.name, "password": PASSWORD}
        self._take(await self._ask(self._auth, "POST", "/login", json=credentials), "POST /login")
        self.did["log-ins"] += 1

    async def _mistypes(self) -> None:
        heard = await self._ask(self._auth, "POST", "/login", json={"username": self.name, "password": "not mine"})
        self._require(heard.status == 401, "POST /login, mistyped", heard)
        self.did["wrong passwords"] += 1

    async def _renew(self) -> None:
        spent = self._refresh
        self._take(await self._present(spent, self._key()), "POST /refresh")
        self._spent = spent
        self.did["refreshes"] += 1

    async def _with_token(self, call: Callable[[], Awaitable[Heard]]) -> None:
        """Call; with an expired token, renew it and call again. On a very busy machine it may expire on its way."""
        latest_s = time.monotonic() + HANGS_S
        while time.monotonic() < latest_s:
            heard = await call()
            if heard.status == 200:
                return
            self._require(heard.status == 401 and not _IS_OVER.search(heard.challenge), call.__name__, heard)
            self.did["expired access tokens"] += 1
            await self._renew()
        raise Lost(f"{self.name}: {call.__name__} is refused again and again")

    async def _log_out(self) -> None:
        heard = await self._ask(self._auth, "POST", "/logout", json={"token": self._refresh})
        self._require(heard.status == 200, "POST /logout", heard)
        await self._is_over("logout")

    async def _is_robbed(self) -> None:
        """A thief presents the token that was spent last, with a key that he makes up."""
        heard = await self._present(self._spent, "the-thief-makes-one-up")
        # Whoever asks again, because the answer was lost, finds the session over.
        known = {"reused"} if heard.first_time else {"reused", "revoked"}
        self._require(heard.status == 400 and heard.reason in known, "a replay", heard)
        await self._is_over("reuse")

    async def _stays(self) -> None:
        """Go on with the same session."""

    async def _is_over(self, why: str) -> None:
        """Neither token is good any more, the access token as soon as the resource service has heard."""
        heard = await self._present(self._refresh, self._key())
        self._require(heard.status == 400 and heard.reason == "revoked", f"POST /refresh after {why}", heard)
        async with asyncio.timeout(HANGS_S):
            while (await self._home()).status == 200:  # noqa: ASYNC110 - each look is a request
                await asyncio.sleep(self._rng.uniform(0, _PAUSE_S))
        self._refresh = self._spent = ""
        self.did[why] += 1

    async def _present(self, token: str, key: str) -> Heard:
        headers = {"Idempotency-Key": key}
        return await self._ask(self._auth, "POST", "/refresh", json={"refresh_token": token}, headers=headers)

    async def _home(self) -> Heard:
        return await self._ask(self._resource, "GET", "/home", headers=self._bearer())

    async def _upload(self) -> Heard:
        body = self._rng.randbytes(self._rng.randrange(_LONGEST_UPLOAD))
        heard = await self._ask(self._resource, "POST", "/echo", data=body, headers=self._bearer())
        if heard.status == 200:
            right = json.loads(heard.body)["sha256"] == hashlib.sha256(body).hexdigest()
            self._require(right, "POST /echo, another body", heard)
            self.did["uploads"] += 1
        return heard

    async def _list_sessions(self) -> Heard:
        return await self._ask(self._auth, "GET", "/sessions", headers=self._bearer())

    async def _ask(self, endpoint: Endpoint, method: str, path: str, **request: Any) -> Heard:
        """Ask until there is an answer other than 503."""
        for attempt in count():
            try:
                async with endpoint.http.request(
                    method, f"{endpoint.url}{path}", timeout=TIMEOUT, **request
                ) as response:
                    body = await response.read()
            except (aiohttp.ClientError, TimeoutError):
                pass
            else:
                challenge = response.headers.get("WWW-Authenticate", "")
                endpoint.ledger.heard(f"{method} {path}", response.status, challenge, body)
                if response.status != 503:
                    return Heard(response.status, challenge, body, first_time=attempt == 0)
            self.did["retries"] += 1
            await asyncio.sleep(self._rng.uniform(0, _PAUSE_S))
        raise AssertionError("unreachable")

    def _take(self, heard: Heard, what: str) -> None:
        self._require(heard.status == 200, what, heard)
        tokens = json.loads(heard.body)
        self._access, self._refresh = tokens["access_token"], tokens["refresh_token"]

    def _require(self, holds: bool, what: str, heard: Heard) -> None:
        if not holds:
            raise Lost(f"{self.name}: {what}: {heard.status} {heard.challenge} {heard.body[:200]!r}")

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._access}"}

    def _key(self) -> str:
        return f"{self._rng.getrandbits(64):016x}"
