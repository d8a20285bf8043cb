"""One service's metrics for Prometheus: of one process, or added up over all workers through files in a folder.

Source: prometheus_client's multiprocess mode. A worker that ends leaves its counts behind; only its gauges go.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess, values

from .coalesced_call import CoalescedCall
from .event_counts import EventCounts
from .request_times import REQUEST_TIMES, RequestDurations, RequestTimes

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_UPDATE_S = 1.0
"""Seconds between two updates: another worker may be the one that is asked."""


def _choose(directory: str | None) -> None:
    # A process that starts the service may share metrics of its own: its folder, which the variable names, is not ours.
    os.environ.pop(_VARIABLE.lower(), None)
    os.environ.pop(_VARIABLE, None)
    if directory is not None:
        os.environ[_VARIABLE] = directory
    # Chosen when prometheus_client is imported, which every command does: chosen again.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call] # as prometheus_client has it


def keep_to_this_process() -> None:
    """Share no number with any other process: metrics made from here on count what happens in this one."""
    _choose(None)


@contextmanager
def shared_directory(service: str) -> Iterator[None]:
    """Share what is counted by metrics made from here on, by this process and those that it forks."""
    owner, directory = os.getpid(), tempfile.mkdtemp(prefix=f"{service}-metrics-")
    _choose(directory)
    try:
        yield
    finally:
        # A worker is a fork: when it ends, it leaves this context, too.
        if os.getpid() == owner:
            shutil.rmtree(directory, ignore_errors=True)


def forget_gauges(pid: int) -> None:
    """Stop showing how things stood in the worker *pid*, which has ended."""
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call] # as prometheus_client has it


def exposition(registry: CollectorRegistry) -> bytes:
    """Return the text that Prometheus reads: of all workers where they share, else of *registry*."""
    if _VARIABLE not in os.environ:
        return generate_latest(registry)
    everything = CollectorRegistry()
    multiprocess.MultiProcessCollector(everything)  # type: ignore[no-untyped-call] # as prometheus_client has it
    return generate_latest(everything)


class Metrics:
    """The metrics of one worker.

    Requests count in plain numbers; :meth:`update` hands the sums on, off the path of any request.

    Args:
        prefix: of the names of the metrics that both services have: request times, and events of the log.
        registry: holds all metrics of the service.
        clock: milliseconds, to keep a text for a second.
    """

    def __init__(self, prefix: str, registry: CollectorRegistry, *, clock: Callable[[], int] | None = None) -> None:
        self.registry = registry
        self.times = RequestTimes()
        self._durations = RequestDurations(f"{prefix}_request_duration_seconds", registry)
        self._events = EventCounts(f"{prefix}_events", registry)
        self._text = CoalescedCall(self._render, clock or _monotonic_ms)

    def update(self) -> None:
        """Hand on what was counted since the last time; a subclass adds its own."""
        self._durations.take(self.times)
        self._events.take()

    async def text(self) -> bytes:
        """Return the metrics, at most a second old for all callers: the call is public."""
        return await self._text()

    async def _render(self) -> bytes:
        self.update()
        # The files of many workers take a while to merge.
        return await asyncio.to_thread(exposition, self.registry)

    def attach(self, app: web.Application) -> None:
        """Count the requests of *app*, and keep the numbers current for as long as it runs."""
        app[REQUEST_TIMES], app[METRICS] = self.times, self
        app.cleanup_ctx.append(self._reporting)

    async def _reporting(self, _app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._report(), name="metrics")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.update()

    async def _report(self) -> None:
        while True:
            self.update()
            await asyncio.sleep(_UPDATE_S)


METRICS = web.AppKey("METRICS", Metrics)


async def metrics(request: web.Request) -> web.Response:
    """Answer ``GET /metrics``: the numbers of all workers, in Prometheus' text format, as of the last second."""
    body = await request.app[METRICS].text()
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
