"""``GET /metrics``, and what keeps its numbers current."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry

from resource_service.metrics import Metrics
from resource_service.web.bearer import Bearer, public
from resource_service.web.request_times import REQUEST_TIMES

BEARER = web.AppKey("BEARER", Bearer)
METRICS = web.AppKey("METRICS", Metrics)

UPDATE_S = 1.0
"""Seconds between two updates: another worker may be the one that is asked."""


@public
async def metrics(request: web.Request) -> web.Response:
    """Render the numbers in the text format of Prometheus."""
    _update(request.app)
    body = request.app[METRICS].exposition()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def reporting(app: web.Application) -> AsyncIterator[None]:
    """Update the numbers for as long as *app* runs."""
    app[METRICS] = Metrics(CollectorRegistry())
    task = asyncio.create_task(_report(app), name="metrics")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        _update(app)


async def _report(app: web.Application) -> None:
    while True:
        _update(app)
        await asyncio.sleep(UPDATE_S)


def _update(app: web.Application) -> None:
    bearer = app[BEARER]
    app[METRICS].update(bearer.authenticator, bearer.outcomes, app[REQUEST_TIMES].kinds)


routes = [web.get("/metrics", metrics)]
