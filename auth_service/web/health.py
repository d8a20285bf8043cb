"""Liveness, readiness and metrics."""

import asyncio

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from auth_service.errors import Unavailable
from auth_service.sessions import Clock
from auth_service.shared_answer import SharedAnswer
from auth_service.shared_metrics import exposition
from auth_service.web.keys import EVENTS, EXPOSITION, READINESS, SESSIONS

log = structlog.get_logger(__name__)


def share_answers(app: web.Application, clock: Clock) -> None:
    """Ask at most once a second, whoever calls: both calls are open to everybody, and neither is for nothing."""

    async def ping() -> None:
        try:
            await app[SESSIONS].ready()
        except Unavailable as exc:
            log.error("unready", problem=str(exc))  # noqa: TRY400 - an expected failure needs no traceback
            raise

    async def expose() -> bytes:
        # The files of many workers take a while to merge.
        return await asyncio.to_thread(exposition, app[EVENTS].registry)

    app[READINESS], app[EXPOSITION] = SharedAnswer(ping, clock), SharedAnswer(expose, clock)


async def live(_request: web.Request) -> web.Response:
    """200 while the event loop turns."""
    return web.json_response({"status": "live"})


async def ready(request: web.Request) -> web.Response:
    """200 while the database answers, else 503; as of the last second."""
    try:
        await request.app[READINESS]()
    except Unavailable:
        return web.json_response({"status": "unready", "checks": {"database": False}}, status=503)
    return web.json_response({"status": "ready", "checks": {"database": True}})


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text, of all workers, as of the last second."""
    body = await request.app[EXPOSITION]()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
