"""BearerAuth: signs requests, and replays one whose token has expired."""

from collections.abc import Awaitable, Collection
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
        # Middlewares run again on every redirect hop: never sign a foreign one.
        if origin(request.url) not in self._origins or hdrs.AUTHORIZATION in request.headers:
            return await handler(request)
        token = await self._token_for(request, None)
        response = await _signed(request, handler, token)
        if response.status != HTTPStatus.UNAUTHORIZED or not asks_for_new_token(
            response.headers.getall(hdrs.WWW_AUTHENTICATE, ())
        ):
            return response
        await _discard(request, response)
        token = await self._token_for(request, token)
        # An iterator that has been sent would be sent empty now, and the server would say 200.
        if request.body and request.body.consumed:
            raise NotReplayable(
                f"{request.method} {request.url.path} was answered 401, and its body cannot be sent twice: "
                "make it anew and repeat the call"
            ) from _refusal(response)
        return await _signed(request, handler, token)

    def _token_for(self, request: ClientRequest, rejected: str | None) -> Awaitable[str]:
        tokens = self._tokens.token() if rejected is None else self._tokens.token(rejected=rejected)
        # Who traces the request sees the refresh in the same trace.
        return caused_by(request.headers, tokens) if TRACEPARENT in request.headers else tokens


_origins = origins  # the parameter of the same name hides it


async def _signed(request: ClientRequest, handler: ClientHandlerType, token: str) -> ClientResponse:
    request.headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
    try:
        return await handler(request)
    finally:
        # An outer middleware that sends the request again gets a fresh token; and errors that quote the request's
        # headers (ClientResponseError does) quote no token.
        request.headers.popall(hdrs.AUTHORIZATION, None)  # an inner middleware may have taken it off


async def _discard(request: ClientRequest, response: ClientResponse) -> None:
    """Free the connection before the replay needs one; a body that is still being sent is cut off first."""
    response.release()
    await request.close()
    # Whoever waited for "100 Continue" in vain was cut off, too: wait anew.
    request.update_expect_continue()


def _refusal(response: ClientResponse) -> ClientResponseError:
    return ClientResponseError(
        response.request_info, response.history, status=response.status, message=response.reason or ""
    )
