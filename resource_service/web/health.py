"""For the platform that runs this service."""

from aiohttp import web

from resource_service.authenticator import Authenticator
from resource_service.web.bearer import public

AUTHENTICATOR = web.AppKey("AUTHENTICATOR", Authenticator)


@public
async def live(_request: web.Request) -> web.Response:
    """Say that the process answers at all."""
    return web.json_response({"status": "live"})


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


routes = [web.get("/health/live", live), web.get("/health/ready", ready)]
