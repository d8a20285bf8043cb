"""Cross-origin requests, for the origins that are configured and no other."""

from collections.abc import Collection, Iterable

import aiohttp_cors
from aiohttp import hdrs, web
from aiohttp.web_request import BaseRequest

_PREFLIGHT_CACHE_S = 600
_MAX_SHOWN = 200
_HEADERS = ("Authorization", "Content-Type", "traceparent", "tracestate")

ORIGINS = web.AppKey("ORIGINS", frozenset[str])
"""Those whose pages may call."""


def allow_origins(
    app: web.Application,
    routes: Iterable[web.AbstractRoute],
    origins: Collection[str],
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
    app[ORIGINS] = frozenset(origins)
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
    # All calls of one path are one resource: named once, in the order of the routes.
    for resource in dict.fromkeys(route.resource for route in routes):
        cors.add(resource)
    app.on_response_prepare.append(_vary)


async def _vary(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Keep caches from giving one origin's answer to another, also where the request named none."""
    response.headers.add(hdrs.VARY, hdrs.ORIGIN)


def refused_preflight(request: BaseRequest, setting: str, origins: Collection[str]) -> dict[str, str] | None:
    """Say of a preflight that was refused whose it is and why, for the log; None of any other request.

    Args:
        request: that was refused.
        setting: lists *origins*; the page's is missing, or it asked for a method or header that it may not use.
        origins: those whose pages may call.
    """
    if request.method != hdrs.METH_OPTIONS or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
        return None
    origin = _shown(request, hdrs.ORIGIN)
    if request.headers.get(hdrs.ORIGIN) not in origins:
        return {"origin": origin, "setting": setting}
    method, headers = hdrs.ACCESS_CONTROL_REQUEST_METHOD, hdrs.ACCESS_CONTROL_REQUEST_HEADERS
    return {"origin": origin, "method": _shown(request, method), "headers": _shown(request, headers)}


def _shown(request: BaseRequest, header: str) -> str:
    """Return a header, shortened and in ASCII."""
    return request.headers.get(header, "")[:_MAX_SHOWN].encode("ascii", "backslashreplace").decode()
