"""Cross-origin requests, for the origins that are configured and no other."""

from collections.abc import Iterable

import aiohttp_cors
from aiohttp import web

PREFLIGHT_CACHE_S = 600


def allow_origins(app: web.Application, origins: Iterable[str]) -> None:
    """Let pages of *origins* call every route that *app* has by now, with credentials."""
    options = aiohttp_cors.ResourceOptions(
        allow_credentials=True,
        expose_headers=("WWW-Authenticate", "Retry-After", "X-Request-Id"),
        allow_headers=("Authorization", "Content-Type", "traceparent", "tracestate"),
        allow_methods=("GET", "POST", "HEAD"),
        max_age=PREFLIGHT_CACHE_S,
    )
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
    for resource in list(app.router.resources()):
        cors.add(resource)
