"""For the platform that runs this service."""

from aiohttp import web

from dualtoken_serving import metrics as shared_metrics

from ..authenticator import Authenticator
from .bearer import public

AUTHENTICATOR = web.AppKey("AUTHENTICATOR", Authenticator)
routes = web.RouteTableDef()


@routes.get("/health/live")
@public
async def live(_request: web.Request) -> web.Response:
    """Say that the process answers at all."""
    return web.json_response({"status": "live"})


@routes.get("/health/ready")
@public
async def ready(request: web.Request) -> web.Response:
    """Say whether tokens can be verified, and what is in the way: 200 or 503."""
    authenticator = request.app[AUTHENTICATOR]
    checks = authenticator.ready
    is_ready = all(checks.values())
    body: dict[str, object] = {"status": "ready" if is_ready else "unready", "checks": checks}
    if authenticator.follower is not None:
        body["revocations_age_s"] = authenticator.follower.age_s
    return web.json_response(body, status=200 if is_ready else 503)


@routes.get("/metrics")
@public
async def metrics(request: web.Request) -> web.Response:
    """Answer the numbers of all workers, in the text format of Prometheus."""
    return await shared_metrics.metrics(request)
