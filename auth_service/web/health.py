"""Liveness, readiness and metrics."""

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from auth_service.errors import Unavailable
from auth_service.shared_metrics import exposition
from auth_service.web.keys import EVENTS, SESSIONS

log = structlog.get_logger(__name__)


async def live(_request: web.Request) -> web.Response:
    """200 while the event loop turns."""
    return web.json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """200 while the database answers, else 503."""
    try:
        await request.app[SESSIONS].ready()
    except Unavailable as exc:
        log.error("unready", problem=str(exc))  # noqa: TRY400 - an expected failure needs no traceback
        return web.json_response({"status": "unready", "checks": {"database": False}}, status=503)
    return web.json_response({"status": "ready", "checks": {"database": True}})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text, of all workers."""
    body = exposition(request.app[EVENTS].registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
