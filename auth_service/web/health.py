"""Liveness, readiness and metrics."""

import structlog
from aiohttp import web

from dualtoken_serving import metrics as shared_metrics
from dualtoken_serving.coalesced_call import CoalescedCall

from ..domain.clock import Clock
from ..errors import ClockDiffers, Unavailable
from .app_keys import READINESS, SESSIONS

log = structlog.get_logger(__name__)
routes = web.RouteTableDef()


def share_answers(app: web.Application, clock: Clock) -> None:
    """Query the database at most once a second for all callers: the call is public, and costs a write."""

    async def ping() -> None:
        try:
            await app[SESSIONS].ready()
        except Unavailable as exc:
            log.error("unready", problem=str(exc))  # noqa: TRY400 - an expected failure needs no traceback
            raise

    app[READINESS] = CoalescedCall(ping, clock)


@routes.get("/health/live")
async def live(_request: web.Request) -> web.Response:
    """200 while the event loop turns."""
    return web.json_response({"status": "live"})


@routes.get("/health/ready")
async def ready(request: web.Request) -> web.Response:
    """200 while the database reads and writes and the clock can be believed, else 503; as of the last second."""
    try:
        await request.app[READINESS]()
    except ClockDiffers:
        return web.json_response({"status": "unready", "checks": {"clock": False}}, status=503)
    except Unavailable:
        return web.json_response({"status": "unready", "checks": {"database": False}}, status=503)
    return web.json_response({"status": "ready", "checks": {"database": True}})


@routes.get("/metrics")
async def metrics(request: web.Request) -> web.Response:
    """Prometheus text, of all workers, as of the last second."""
    return await shared_metrics.metrics(request)
