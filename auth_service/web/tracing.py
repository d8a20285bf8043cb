"""The id that ties together the log lines of one request, and the times that requests take."""

import re
import secrets
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest
from prometheus_client import CollectorRegistry, Histogram

HEADER = "traceparent"
# Only a later version than 00 may go on after the flags.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?", re.ASCII
)
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS"})
_CURRENT: ContextVar[BaseRequest | None] = ContextVar("request", default=None)
TRACE_ID = web.RequestKey("TRACE_ID", str)


def enter(request: BaseRequest) -> None:
    """Remember *request* for the log lines of this task.

    Nothing is parsed or made before a line is written: most requests write none.
    """
    _CURRENT.set(request)


def add_trace_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the id of the current request to a log line: the caller's (W3C Trace Context), or a new one."""
    request = _CURRENT.get()
    if request is not None:
        event["trace_id"] = trace_id(request)
    return event


def trace_id(request: BaseRequest) -> str:
    """Return the id of the trace that *request* belongs to, which is found out once."""
    if TRACE_ID not in request:
        # What could not be parsed has no headers, and of them not even a multidict.
        parents = request.headers.getall(HEADER, ()) if request.headers else ()
        sent = _TRACEPARENT.fullmatch(parents[0]) if len(parents) == 1 else None
        request[TRACE_ID] = sent[1] if sent else secrets.token_hex(16)
    return request[TRACE_ID]


class RequestTimes:
    """One histogram by method, route and status; its counts are the numbers of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._histogram = Histogram(
            "auth_request_duration_seconds",
            "Requests answered, by method, route and status.",
            ["method", "route", "status"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        # What a request's labels are is found out once for each route and status.
        self._known: dict[tuple[object, int], Histogram] = {}

    def observe(self, request: BaseRequest, status: int, seconds: float) -> None:
        """Count one answer. The labels are of the service's own making: no path or method that a caller invents."""
        try:
            # The public property would fill a cache in each request.
            known = self._known[request._match_info.route, status]  # type: ignore[attr-defined]  # noqa: SLF001
        except (KeyError, AttributeError):  # the latter: bytes that could not be parsed were matched with no route
            known = self._find(request, status)
        known.observe(seconds)

    def _find(self, request: BaseRequest, status: int) -> Histogram:
        # Of another method, or of what could not be parsed, no route is known.
        if request.method not in _METHODS or not isinstance(request, web.Request):
            return self._histogram.labels("other", "none", status)
        route = request.match_info.route
        if route.resource is None:  # made anew for each request whose path or method is unknown
            return self._histogram.labels(request.method, "none", status)
        known = self._known[route, status] = self._histogram.labels(route.method, route.resource.canonical, status)
        return known
