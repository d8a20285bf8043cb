"""Cross-origin requests, for the origins that are configured and no other."""

from collections.abc import Iterable

import aiohttp_cors
from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest

_PREFLIGHT_CACHE_S = 600
_MAX_ORIGIN = 200
_HEADERS = ("Authorization", "Content-Type", "traceparent", "tracestate")


def allow_origins(
    app: web.Application,
    routes: Iterable[web.AbstractRoute],
    origins: Iterable[str],
    *,
    methods: Iterable[str],
    headers: Iterable[str] = (),
) -> None:
    """Let pages of *origins* call *routes* of *app*, with credentials, *methods*, and *headers* besides the usual."""
    options = aiohttp_cors.ResourceOptions(
        allow_credentials=True,
        expose_headers=("WWW-Authenticate", "Retry-After", "X-Request-Id", "DPoP-Nonce"),
        allow_headers=(*_HEADERS, *headers),
        allow_methods=tuple(methods),
        max_age=_PREFLIGHT_CACHE_S,
    )
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
    # All calls of one path are one resource: named once, in the order of the routes.
    for resource in dict.fromkeys(route.resource for route in routes):
        cors.add(resource)
    app.on_response_prepare.append(_vary)


async def _vary(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Keep caches from giving one origin's answer to another, also where the request named none."""
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)


def refused_preflight(request: BaseRequest) -> str | None:
    """Return the origin, shortened and in ASCII, of a preflight; None for any other request."""
    if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return None
    return request.headers.get(hdrs.ORIGIN, "")[:_MAX_ORIGIN].encode("ascii", "backslashreplace").decode()
