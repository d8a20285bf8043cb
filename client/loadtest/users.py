"""One user of a load test: a session of its own, as real clients have."""

import time
from contextvars import ContextVar
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, hdrs
from yarl import URL

from ..middleware import BearerAuth
from ..source import TokenSource
from ..tokens import BACKGROUND_FRACTION, BACKGROUND_MAX_S, Tokens
from .meter import Meter

_BEARER: Final = "Bearer "

met_refresh: ContextVar[bool] = ContextVar("met_refresh", default=False)
"""Set for the request that is going on in this task when it is answered 401 or waits for a refresh."""


class Now:
    """The meter of the interval that is going on."""

    def __init__(self) -> None:
        self.meter = Meter()

    def turn(self) -> Meter:
        """Begin an interval; return the meter of the last one."""
        done, self.meter = self.meter, Meter()
        return done


class VirtualUser:
    """A token source with a client session in front of it.

    Args:
        auth_http: carries the calls to the auth service.
        connector: shared by all users of a process.
        now: where to count.
    """

    def __init__(
        self,
        auth_url: str,
        api_url: str,
        *,
        auth_http: aiohttp.ClientSession,
        connector: aiohttp.BaseConnector,
        timeout_s: float,
        allow_insecure: bool,
        now: Now,
    ) -> None:
        self._now = now
        self._last: Tokens | None = None
        self._spoiled: str | None = None  # the access token that stopped being good at the last beat
        self._due: set[str] = set()  # access tokens whose refresh is no surplus
        self._reported = (0, 0, 0)
        self.source = TokenSource(
            auth_url,
            session=auth_http,
            refresh_timeout_s=timeout_s,
            on_refresh=self._refreshed,
            allow_insecure=allow_insecure,
        )
        auth = BearerAuth(self, origins=[URL(api_url).origin()], allow_insecure=allow_insecure)
        self.http = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            middlewares=[auth, self._wire],
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        )

    async def __aenter__(self) -> Self:
        """Return the user itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.http.close()
        await self.source.aclose()

    async def log_in(self, username: str, password: str) -> None:
        """Open the session.

        Raises:
            InvalidCredentials, AuthUnavailable, AuthRejected: it cannot be opened.
        """
        self._last = await self.source.login(username, password)

    async def token(self, *, rejected: str | None = None) -> str:
        """Return an access token as the source does, and note whether the request met a refresh.

        Raises:
            ClientError: as the source does.
        """
        before = self.source.current
        token = await self.source.token(rejected=rejected)
        if rejected is not None or self.source.current is not before:
            met_refresh.set(True)
        return token

    def is_too_fresh(self, refused: str) -> bool:
        """Tell what the source says."""
        return self.source.is_too_fresh(refused)

    def expire(self) -> None:
        """Make the access token stop being good: from now on the resource service will refuse it."""
        current = self.source.current
        self._spoiled = None if current is None else current.access_token

    async def refresh(self) -> None:
        """Have the access token replaced, good as it is.

        Raises:
            ClientError: as the source does.
        """
        token = await self.source.token()
        self._expect(token)
        await self.source.token(rejected=token)
        met_refresh.set(True)

    def collect(self) -> None:
        """Count what the source has done since the last time."""
        stats, counts = self.source.stats, self._now.meter.counts
        totals = (stats.coalesced, stats.late_401s, stats.retries)
        coalesced, late_401s, retries = (new - old for new, old in zip(totals, self._reported, strict=True))
        counts.coalesced += coalesced
        counts.late_401s += late_401s
        counts.retries += retries
        self._reported = totals

    async def _wire(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Stand between the client and the network: spoil tokens whose time has come, count refusals."""
        token = request.headers.get(hdrs.AUTHORIZATION, "").removeprefix(_BEARER)
        # What a refresh has just brought is good for those who waited, however soon the next beat comes.
        if token == self._spoiled and not met_refresh.get():
            # A wrong signature: the service itself must say 401, at the price that a real expiry has.
            request.headers[hdrs.AUTHORIZATION] = _BEARER + _missigned(token)
        response = await handler(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            self._now.meter.counts.unauthorized += 1
            self._expect(token)
        return response

    def _expect(self, token: str) -> None:
        current = self.source.current
        # A late 401 is about a token that has been replaced already: it costs no refresh.
        if token not in self._due and current is not None and current.access_token == token:
            self._due.add(token)
            self._now.meter.counts.expected += 1

    def _refreshed(self, tokens: Tokens) -> None:
        before, self._last = self._last, tokens
        if before is None:
            return
        counts = self._now.meter.counts
        if before.access_token in self._due:
            self._due.remove(before.access_token)
        elif _ran_out(before):
            counts.expected += 1
        else:
            counts.surplus += 1


def _missigned(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' * len(signature)}"


def _ran_out(tokens: Tokens) -> bool:
    """Tell whether *tokens* had come to the part of their life in which clients renew them."""
    if tokens.expires_in is None:
        return False
    margin = min(tokens.expires_in * BACKGROUND_FRACTION, BACKGROUND_MAX_S)
    return time.time() - tokens.obtained_at >= tokens.expires_in - margin
