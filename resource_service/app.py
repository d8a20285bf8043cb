"""Wires one resource service."""

from aiohttp import web

from resource_service.authenticator import FeedPolicy
from resource_service.settings import Settings
from resource_service.web import docs, health, home, metrics
from resource_service.web.bearer import Bearer
from resource_service.web.cors import allow_origins


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
        service_secret=secret.get_secret_value() if secret else None,
        feed_policy=FeedPolicy(
            stale=settings.revocations_stale,
            stale_after_s=settings.revocations_stale_after_s,
            access_ttl_s=settings.access_ttl_s,
        ),
        leeway_s=settings.leeway_s,
        cached_tokens=settings.cached_tokens,
    )
    bearer.attach(app)
    app[health.AUTHENTICATOR] = bearer.authenticator
    app[metrics.BEARER] = bearer
    app.cleanup_ctx.append(metrics.reporting)
    app.add_routes(bearer.guarded([*home.routes, *health.routes, *metrics.routes, *docs.routes]))
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    return app
