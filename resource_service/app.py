"""Wires one resource service."""

from aiohttp import web

from dualtoken_serving.cors import allow_origins
from dualtoken_serving.settings_source import file_of

from .authenticator import FeedPolicy
from .settings import Settings
from .web import docs, health, home
from .web.bearer import Bearer
from .web.measurements import ResourceMetrics


def create_app(settings: Settings) -> web.Application:
    """Wire one resource service. Does no I/O: keys and connections open on start-up."""
    app = web.Application()
    secret = settings.service_secret
    bearer = Bearer(
        issuer=settings.issuer,
        audience=settings.audience,
        keys=settings.keys,
        jwks_url=settings.jwks_url,
        revocations_url=settings.revocations_url,
        service_secret=file_of(Settings, "service_secret") or (secret.get_secret_value() if secret else None),
        feed_policy=FeedPolicy(
            stale=settings.revocations_stale,
            stale_after_s=settings.revocations_stale_after_s,
            access_ttl_s=settings.access_ttl_s,
        ),
        leeway_s=settings.leeway_s,
        cache_mib=settings.cache_mib,
    )
    bearer.attach(app)
    app[health.AUTHENTICATOR] = bearer.authenticator
    ResourceMetrics(bearer).attach(app)
    app.add_routes(bearer.guarded([*home.routes, *health.routes, *docs.routes]))
    if settings.cors_origins:
        allow_origins(app, app.router.routes(), settings.cors_origins, methods=("GET", "HEAD", "POST"))
    return app
