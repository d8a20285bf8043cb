"""Bearer tokens for any aiohttp application.

::

    from resource_service.web.bearer import CLAIMS, Bearer

    bearer = Bearer(issuer="https://auth.example", audience="https://api.example", keys="access.jwks.json")
    bearer.mount(app)

From then on every route of *app* needs an access token, and finds who calls in ``request[CLAIMS]``. A route says
otherwise with ``@optional`` or ``@public``, and asks for more with ``@requires("scope")``.
"""

import asyncio
import functools
import inspect
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.typedefs import Handler, Middleware

from resource_service.authenticator import DEFAULT_FEED_POLICY, Authenticator, FeedPolicy
from resource_service.claims import Claims
from resource_service.errors import CredentialsMissing, ResourceError, TokenRefused, UnknownKey
from resource_service.jwks_url import JwksUrl
from resource_service.key_file import KeyFile
from resource_service.revocation_feed import RevocationFeed
from resource_service.tracing import enter
from resource_service.verify import CACHED_TOKENS, SCHEME, Policy
from resource_service.web.access import CLAIMS, REALM, access_of, is_public, optional, public, requires
from resource_service.web.challenge import QUOTABLE, refusal

__all__ = ["CLAIMS", "Bearer", "optional", "public", "requires"]

# Of `logging`, as those of every module that a mounted Bearer uses: the application around need not know structlog,
# whose loggers print each line on standard output unless they are told otherwise.
log = structlog.wrap_logger(logging.getLogger(__name__))
T = TypeVar("T")

OUTCOMES = ("accepted", "missing", "expired", "revoked", "invalid", "unavailable")
"""What can become of a request whose token is looked at."""


class Bearer:
    """Guards an application with access tokens.

    Args:
        issuer: the ``iss`` that is believed.
        audience: the name of this resource, which a token's ``aud`` must contain.
        keys: the path of a JWK Set file, watched for changes; or else
        jwks_url: the URL of the issuer's public keys, fetched in the background.
        revocations_url: the URL of the issuer's revocation feed, with the ``service_secret`` that it asks for. Without
            it a token is honoured until it expires.
        feed_policy: how far the feed counts.
        leeway_s: seconds by which the issuer's clock may differ.
        cached_tokens: how many verified tokens to remember.
        realm: names the protection space in challenges; the audience, unless given.
        clock: seconds since the epoch.

    Raises:
        ValueError: an argument is missing, superfluous or malformed; the text names it.

    Source: RFC 6750; RFC 9068 §4.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        keys: str | Path | None = None,
        jwks_url: str | None = None,
        revocations_url: str | None = None,
        service_secret: str | None = None,
        feed_policy: FeedPolicy = DEFAULT_FEED_POLICY,
        leeway_s: float = 5.0,
        cached_tokens: int = CACHED_TOKENS,
        realm: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.realm = audience if realm is None else realm
        if not QUOTABLE.fullmatch(self.realm):
            raise ValueError("realm must not hold quotes, backslashes or control characters")
        self.authenticator = Authenticator(
            Policy(issuer, audience, leeway_s),
            _key_source(keys, jwks_url),
            feed=_feed(revocations_url, service_secret),
            feed_policy=feed_policy,
            cached_tokens=cached_tokens,
            clock=clock,
        )
        self.outcomes = dict.fromkeys(OUTCOMES, 0)
        """How many requests ended how."""

    def mount(self, app: web.Application) -> None:
        """Guard every route of *app* and its sub-applications; start and stop with it.

        Middlewares appended before see refused requests too, those appended after only what passed.
        """
        self.attach(app)
        app.middlewares.append(self.middleware())

    def attach(self, app: web.Application) -> None:
        """Start and stop with *app*, without guarding it: for routes that :meth:`guarded` guards one by one."""
        app[REALM] = self.realm
        app.cleanup_ctx.append(self._lifespan)

    def guarded(self, routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
        """Guard each of *routes* that is not public, as :meth:`mount` does for all of an application.

        The guard is part of the handler itself, which spares each request what aiohttp's own dispatch of middlewares
        costs: more than the verification of a known token.
        """
        return [route if is_public(route.handler) else self._bound(route) for route in routes]

    def middleware(self) -> Middleware:
        """Make the middleware alone; :meth:`mount` also keeps the keys current."""
        authenticate, outcomes = self.authenticator.authenticate, self.outcomes

        # The path of a good token is all that authentication costs most requests, so it is as short as it can be. It is
        # a plain function that hands on the handler's own coroutine, since a coroutine around that one would cost a
        # request more than all that is done here.
        def bearer_token(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            values = request.headers.getall(AUTHORIZATION, ())
            try:
                claims = authenticate(values[0] if len(values) == 1 else _only(values))
            except ResourceError as error:
                return self._look_again(request, handler, values, error)
            request[CLAIMS] = claims
            outcomes["accepted"] += 1
            return handler(request)

        return web.middleware(bearer_token)

    def _bound(self, route: web.RouteDef) -> web.RouteDef:
        handler: Handler = route.handler
        authenticate, outcomes = self.authenticator.authenticate, self.outcomes

        # As `bearer_token`, past the public properties of a request: together they cost two hundredths of one. This
        # service knows its aiohttp, which is locked; who mounts the middleware may have another.
        @_as_coroutine_function
        @functools.wraps(handler)
        def guarded(request: web.Request) -> Awaitable[web.StreamResponse]:
            values = request._headers.getall(AUTHORIZATION, ())  # noqa: SLF001
            try:
                claims = authenticate(values[0] if len(values) == 1 else _only(values))
            except ResourceError as error:
                return self._look_again(request, handler, values, error)
            request._state[CLAIMS] = claims  # noqa: SLF001
            outcomes["accepted"] += 1
            return handler(request)

        return web.RouteDef(route.method, route.path, guarded, route.kwargs)

    async def _lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        async with self.authenticator.running():
            yield

    async def _look_again(
        self, request: web.Request, handler: Handler, values: Sequence[str], error: ResourceError
    ) -> web.StreamResponse:
        """Decide what becomes of a request without good credentials.

        Raises:
            web.HTTPException: the refusal.
        """
        enter(request)
        access = access_of(request)
        if access != "public":
            try:
                request[CLAIMS] = await self._insist(values, error)
                self.outcomes["accepted"] += 1
            except ResourceError as verdict:
                if access == "required" or not isinstance(verdict, CredentialsMissing):
                    self.outcomes[_outcome(verdict)] += 1
                    log.debug("request.refused", outcome=_outcome(verdict), detail=str(verdict))
                    raise refusal(verdict, self.realm) from None
        return await handler(request)

    async def _insist(self, values: Sequence[str], error: ResourceError) -> Claims:
        credentials = _respelled(_only(values))
        if credentials == values[0] and not isinstance(error, UnknownKey):
            raise error
        return await self.authenticator.authenticate_with_newer_keys(credentials)


def _only(values: Sequence[str]) -> str:
    """Return the credentials in the *values* of a request's Authorization headers.

    Only the header counts: RFC 6750 §2.3 warns of query parameters, and OAuth 2.1 drops them and body parameters.

    Raises:
        CredentialsMissing: there are none.
        TokenRefused: there are several.
    """
    if len(values) > 1:
        # Another reader of this request might pick another one.
        raise TokenRefused("invalid", "several Authorization headers")
    if not values:
        raise CredentialsMissing
    return values[0]


def _respelled(credentials: str) -> str:
    """Return *credentials* as the verifier knows them: the scheme in its own case, and one space (RFC 6750 §2.1).

    Raises:
        CredentialsMissing: they are of another scheme.
    """
    scheme, _, token = credentials.partition(" ")
    if scheme.lower() != "bearer":
        raise CredentialsMissing
    return SCHEME + token.lstrip(" ")


def _as_coroutine_function(function: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """Mark a plain function that returns an awaitable: aiohttp asks of each handler whether it is to be awaited."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 - its mark
    return function


def _outcome(error: ResourceError) -> str:
    if isinstance(error, TokenRefused):
        return error.reason
    return "missing" if isinstance(error, CredentialsMissing) else "unavailable"


def _key_source(keys: str | Path | None, jwks_url: str | None) -> KeyFile | JwksUrl:
    if keys is not None and jwks_url is None:
        return KeyFile(keys)
    if jwks_url is not None and keys is None:
        return JwksUrl(jwks_url)
    raise ValueError("exactly one of keys and jwks_url is needed")


def _feed(revocations_url: str | None, service_secret: str | None) -> RevocationFeed | None:
    if revocations_url is None:
        return None
    if not service_secret:
        raise ValueError("revocations_url needs a service_secret")
    return RevocationFeed(revocations_url, service_secret)
