"""Bearer tokens for any aiohttp application.

::

    from dualtoken.resource_service import CLAIMS, Bearer

    bearer = Bearer(issuer="https://auth.example", audience="https://api.example", keys="access.jwks.json")
    bearer.mount(app)

Every route of *app* then requires an access token, and its handler finds the caller's claims in ``request[CLAIMS]``.
Change this for one route with ``@optional``, ``@public`` or ``@requires("scope")``.
"""

import asyncio
import functools
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.typedefs import Handler, Middleware

from dualtoken_serving.tracing import enter

from ..errors import CredentialsMissing, ResourceError
from ..lifetimes import Lifetime
from .access import CLAIMS, GUARD, Exempt, access_of, as_exception, exemption, is_public, optional, public, requires
from .guard import Guard, only
from .protected_resource import METADATA_HEADERS

__all__ = ["CLAIMS", "Bearer", "optional", "public", "requires"]

T = TypeVar("T")


class Bearer(Guard):
    """Guards an aiohttp application with access tokens; takes the arguments of :class:`Guard`."""

    cure = "mount() it, or attach() it beside middleware() or guarded()"

    def mount(self, app: web.Application, *, public: Iterable[Exempt] = ()) -> None:
        """Guard every route of *app* and its sub-applications; start and stop with *app*.

        Middlewares appended earlier also see refused requests; those appended later see only accepted ones.

        Args:
            app: the application to guard.
            public: resources and routes, static ones too, and predicates on a request, that need no token, as if
                their handlers were marked with ``@public``.

        Raises:
            TypeError: an item of *public* is none of these.
            RuntimeError: another guards *app*, or it has started.
        """
        middleware = self.middleware(public=public)
        self.attach(app)
        app.middlewares.append(middleware)

    def attach(self, app: web.Application) -> None:
        """Start and stop with *app*, without guarding it: for routes guarded one by one with :meth:`guarded`.

        Serves the metadata of the resource (RFC 9728); the first audience determines its path.

        Raises:
            RuntimeError: another guards *app*, or it has started.
        """
        if app.frozen:
            raise RuntimeError("the application has started: mount() or attach() a Bearer before that")
        if GUARD in app:
            raise RuntimeError("a Bearer is mounted already: one guard is enough for an application")
        app[GUARD] = self
        url = self.resource.metadata_url
        route = app.router.add_get(url.path_safe, self._metadata) if url else None

        async def running(_app: web.Application) -> AsyncIterator[None]:
            if url and route and route.resource:
                # Below another application's prefix it stands where no client would look.
                self.resource.is_served = route.resource.canonical == url.path_safe
            async with self.authenticator.running():
                yield

        app.cleanup_ctx.append(running)

    @public
    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.resource.metadata, headers=METADATA_HEADERS)

    def guarded(self, routes: Iterable[web.AbstractRouteDef]) -> list[web.RouteDef]:
        """Guard each of *routes* that is not public, as :meth:`mount` does for all of an application.

        The guard is part of the handler itself, which spares each request what aiohttp's own dispatch of middlewares
        costs: more than the verification of a known token.

        Raises:
            TypeError: a route serves files.
        """
        return [self._bound(_with_handler(route)) for route in routes]

    def lifetime(self, request: web.Request) -> AbstractAsyncContextManager[Lifetime]:
        """Hold a WebSocket or a stream open for as long as the token of *request* is good.

        ::

            async with bearer.lifetime(request) as lifetime:
                async for message in socket:
                    ...
            await socket.close(code=3000, message=(lifetime.ended or "").encode())

        The body of the context is cancelled when the token expires, its session is revoked, its key is retired, or
        the revocation feed has been silent for too long; the context then exits without an error. The body of a
        request without a token is never cancelled.
        """
        return self.open_while_good(request.headers.getall(AUTHORIZATION, ()), request.get(CLAIMS))

    def middleware(self, *, public: Iterable[Exempt] = ()) -> Middleware:
        """Return only the middleware of :meth:`mount`; :meth:`attach` keeps the keys current."""
        is_exempt = exemption(public)
        authenticate, counts = self.authenticator.authenticate, self._counts

        # The path of a good token is all that authentication costs most requests, so it is as short as it can be. It is
        # a plain function that hands on the handler's own coroutine, since a coroutine around that one would cost a
        # request more than all that is done here.
        def bearer_token(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            values = request.headers.getall(AUTHORIZATION, ())
            try:
                claims = authenticate(values[0] if len(values) == 1 else only(values))
            except ResourceError as error:
                if is_exempt(request):
                    return handler(request)
                return self._look_again(request, handler, values, error)
            request[CLAIMS] = claims
            counts["accepted"] += 1
            return handler(request)

        return web.middleware(bearer_token)

    def _bound(self, route: web.RouteDef) -> web.RouteDef:
        if is_public(route.handler):
            return route
        handler: Handler = route.handler
        authenticate, counts = self.authenticator.authenticate, self._counts

        # As `bearer_token`, past the public properties of a request: together they cost two hundredths of one. This
        # service knows its aiohttp, which is locked; who mounts the middleware may have another.
        @_as_coroutine_function
        @functools.wraps(handler)
        def guarded(request: web.Request) -> Awaitable[web.StreamResponse]:
            values = request._headers.getall(AUTHORIZATION, ())  # noqa: SLF001
            try:
                claims = authenticate(values[0] if len(values) == 1 else only(values))
            except ResourceError as error:
                return self._look_again(request, handler, values, error)
            request._state[CLAIMS] = claims  # noqa: SLF001
            counts["accepted"] += 1
            return handler(request)

        return web.RouteDef(route.method, route.path, guarded, route.kwargs)

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
                request[CLAIMS] = await self.insist(values, error)
            except ResourceError as verdict:
                if access == "required" or not isinstance(verdict, CredentialsMissing):
                    raise as_exception(self.refuse(verdict)) from None
        return await handler(request)


def _as_coroutine_function(function: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    """Mark a plain function that returns an awaitable: aiohttp asks of each handler whether it is to be awaited."""
    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(function)
    function._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001 - its mark
    return function


def _with_handler(route: web.AbstractRouteDef) -> web.RouteDef:
    if not isinstance(route, web.RouteDef):
        raise TypeError(f"{route} has no handler to guard: mount() guards it")
    return route
