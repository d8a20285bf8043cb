"""BearerAuth: signs requests, and replays one whose token has expired."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Protocol

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientResponseError, hdrs
from yarl import URL

from client.addresses import origin, origins
from client.cause import TRACEPARENT, caused_by
from client.challenge import asks_for_new_token
from client.errors import NotReplayable


class TokenProvider(Protocol):
    """What BearerAuth needs of a :class:`TokenSource`."""

    async def token(self, *, rejected: str | None = None) -> str:
        """Return an access token that is good now and is not *rejected*."""


class BearerAuth:
    """An aiohttp client middleware (aiohttp ≥ 3.14): ``ClientSession(middlewares=[BearerAuth(tokens, origins=[…])])``.

    Signs requests to *origins*, each redirect hop judged anew, and WebSocket handshakes. Leaves a caller's own
    ``Authorization`` alone. Answers a 401 that asks for a bearer token by one replay with a renewed token, once.

    Args:
        tokens: a :class:`TokenSource`.
        origins: who may see a token, as ``scheme://host[:port]``.
        allow_insecure: permit plain http to a host that is not this machine.

    Raises:
        ConfigurationError: no origin, or one that is none or would expose tokens.
    """

    def __init__(self, tokens: TokenProvider, *, origins: Collection[str | URL], allow_insecure: bool = False) -> None:
        self._tokens = tokens
        self._origins = _origins(origins, allow_insecure=allow_insecure)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send *request*, signed if it may be.

        Raises:
            LoginRequired, RefreshUnavailable, RefreshRejected: there is no token to be had.
            NotReplayable: a 401 met a body that cannot be sent twice; the token has been renewed.
        """
        headers = request.headers
        # Middlewares run again on every redirect hop: never sign a foreign one.
        if origin(request.url) not in self._origins or hdrs.AUTHORIZATION in headers:
            return await handler(request)
        # One loop for the first sending and the replay: a coroutine within this one costs a hundredth of a request.
        token: str | None = None
        refused: ClientResponse | None = None
        while True:
            asked = self._tokens.token(rejected=token)
            # Who traces the request sees the refresh in the same trace.
            token = await (caused_by(headers, asked) if TRACEPARENT in headers else asked)
            if refused is not None:
                _require_replayable(request, refused)
            headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
            try:
                response = await handler(request)
            finally:
                # An outer middleware that sends the request again gets a fresh token; and errors that quote the
                # request's headers (ClientResponseError does) quote no token. An inner one may have taken it off.
                headers.popall(hdrs.AUTHORIZATION, None)
            if refused is not None or response.status != HTTPStatus.UNAUTHORIZED or not _asks_for_new_token(response):
                return response
            await _discard(request, response)
            refused = response


_origins = origins  # the parameter of the same name hides it


def _asks_for_new_token(response: ClientResponse) -> bool:
    return asks_for_new_token(response.headers.getall(hdrs.WWW_AUTHENTICATE, ()))


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
        raise NotReplayable(f"{problem}: make it anew and repeat the call") from ClientResponseError(
            refused.request_info, refused.history, status=refused.status, message=refused.reason or ""
        )
