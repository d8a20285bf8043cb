"""Liveness, readiness and metrics."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from auth_service.web.keys import EVENTS, SESSIONS


async def live(_request: web.Request) -> web.Response:
    """200 while the event loop turns."""
    return web.json_response({"status": "ok"})


async def ready(request: web.Request) -> web.Response:
    """200 while the database answers, else 503 ``unavailable``."""
    await request.app[SESSIONS].ready()
    return web.json_response({"status": "ok"})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    body = generate_latest(request.app[EVENTS].registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
