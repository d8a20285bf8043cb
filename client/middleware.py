"""BearerAuth: signs requests, and replays them if the token is refused."""

import asyncio
import sys
from collections.abc import Collection
from http import HTTPStatus
from typing import Protocol

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientResponseError, hdrs
from yarl import URL

from .errors import ConfigurationError, NotReplayable
from .replays import Replays
from .wire.netrc import netrc_authorization
from .wire.trace_context import caused_by
from .wire.url_policy import origin, origins


class TokenProvider(Protocol):
    """What BearerAuth needs of a :class:`TokenSource`."""

    async def token(self, *, rejected: str | None = None) -> str:
        """Return an access token that is good now and is not *rejected*."""

    def is_too_fresh(self, refused: str) -> bool:
        """Tell whether *refused* has just come from a refresh: another one would not help. No I/O."""


class BearerAuth:
    """An aiohttp client middleware (aiohttp ≥ 3.14): ``ClientSession(middlewares=[BearerAuth(tokens, origins=[…])])``.

    Signs requests to *origins*, including WebSocket handshakes, and decides anew at each redirect hop. Leaves a
    caller's own ``Authorization`` alone, and replaces one from ``.netrc``.

    Replays a request after a 401 that asks for a bearer token, with a refreshed token, at most three times and only
    while each 401 rejects another token than the last. If a token is refused twice, the caller gets the 401; likewise
    if a service refuses a token that has just come from a refresh. Its 401s then start no further refresh for a minute.

    Args:
        tokens: a :class:`TokenSource`.
        origins: the origins that may get a token, as ``scheme://host[:port]``.
        allow_insecure: permit plain http to a host that is not this machine.

    Raises:
        ConfigurationError: no origin, or one that is malformed or would expose tokens; a source for threads.
    """

    def __init__(self, tokens: TokenProvider, *, origins: Collection[str | URL], allow_insecure: bool = False) -> None:
        threads = sys.modules.get(f"{__package__}.sync")
        if threads is not None and isinstance(tokens, threads.TokenSource):
            raise ConfigurationError("aiohttp needs dualtoken.client.TokenSource, which does not block")
        self._tokens = tokens
        self._origins = _origins(origins, allow_insecure=allow_insecure)
        self._replays = Replays(tokens)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send *request*, signed if it may be.

        Raises:
            LoginRequired, RefreshUnavailable, RefreshRejected: no token is available.
            NotReplayable: a 401 met a body that cannot be sent twice; the token has been refreshed.
        """
        headers, service = request.headers, origin(request.url)
        # Middlewares run again on every redirect hop: never sign a foreign one.
        if service not in self._origins or (hdrs.AUTHORIZATION in headers and await _is_callers_own(request)):
            return await handler(request)
        replays, last, token = 0, "", await self._tokens.token()
        # One loop for the first sending and the replays: a coroutine within this one costs a hundredth of a request.
        while True:
            headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
            try:
                response = await handler(request)
            finally:
                # An outer middleware that sends the request again gets a fresh token; and errors that quote the
                # request's headers (ClientResponseError does) quote no token. An inner one may have taken it off.
                headers.popall(hdrs.AUTHORIZATION, None)
            if response.status != HTTPStatus.UNAUTHORIZED:
                if self._replays.refusing:
                    self._replays.accepted(service, request.url.raw_path, replays)
                return response
            challenges, path = response.headers.getall(hdrs.WWW_AUTHENTICATE, ()), request.url.raw_path
            if not self._replays.may_mend(challenges, service, path, token=token, last=last, replays=replays):
                return response
            await _discard(request, response)
            # Who traces the request sees the refresh in the same trace.
            last, token = token, await caused_by(headers, self._tokens.token(rejected=token))
            _require_replayable(request, response)
            replays += 1


_origins = origins  # the parameter of the same name hides it


async def _is_callers_own(request: ClientRequest) -> bool:
    """Tell the caller's ``Authorization`` from the one that aiohttp takes from ``.netrc`` for ``trust_env=True``."""
    header, host = request.headers[hdrs.AUTHORIZATION], request.url.host
    if not request.session.trust_env or not header.startswith("Basic ") or host is None:
        return True
    return header != await asyncio.get_running_loop().run_in_executor(None, netrc_authorization, host)


async def _discard(request: ClientRequest, response: ClientResponse) -> None:
    """Free the connection before the replay needs one; a body that is still being sent is cut off first."""
    response.release()
    await request.close()
    # Whoever waited for "100 Continue" in vain was cut off, too: wait anew.
    request.update_expect_continue()


def _require_replayable(request: ClientRequest, refused: ClientResponse) -> None:
    # An iterator that has been sent would be sent empty now, and the server would say 200.
    if request.body and request.body.consumed:
        problem = f"{request.method} {request.url.path} was answered 401, and its body cannot be sent twice"
        raise NotReplayable(f"{problem}: create it again and repeat the call") from ClientResponseError(
            refused.request_info, refused.history, status=refused.status, message=refused.reason or ""
        )
