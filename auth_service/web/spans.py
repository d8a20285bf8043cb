"""One OpenTelemetry span for each request. Imported only where spans are wanted: without them nothing is charged.

Method, route and status are all that a span tells: paths and queries may hold what a caller should not have put there.

Source: OpenTelemetry Semantic Conventions, "HTTP server span".
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from auth_service.web.protocol import JsonRequestHandler, JsonRunner, JsonServer
from auth_service.web.tracing import TRACE_ID

NAME = "auth_service"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_LAST_SPANS_S = 3.0
"""Seconds that spans have to leave when the service ends."""


class Spans:
    """Makes spans and sends them off, from a thread of its own. One object for each process, made after the fork."""

    def __init__(self) -> None:
        """Read the ``OTEL_*`` variables."""
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(NAME)

    def begin(self, request: BaseRequest) -> trace.Span:
        """Begin the span of *request*, under the caller's; log lines and spans share the trace's id."""
        method = request.method if request.method in _METHODS else "_OTHER"
        caller = propagate.extract(request.headers)
        attributes = {"http.request.method": method}
        span = self._tracer.start_span(method, caller, kind=trace.SpanKind.SERVER, attributes=attributes)
        request[TRACE_ID] = trace.format_trace_id(span.get_span_context().trace_id)
        context.attach(trace.set_span_in_context(span, caller))
        return span

    def close(self) -> None:
        """Send what is left, for a while, and stop."""
        # It would wait for a collector that does not answer for longer than a service has to end.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_LAST_SPANS_S)


def _resource() -> Resource:
    given = Resource.create()
    unnamed = str(given.attributes[SERVICE_NAME]).startswith("unknown_service")
    return given.merge(Resource({SERVICE_NAME: NAME})) if unnamed else given


def end(span: trace.Span, request: BaseRequest, status: int) -> None:
    """End the span of *request*."""
    # Of bytes that could not be parsed, and of unknown methods, no route is known.
    if request.method in _METHODS and isinstance(request, web.Request) and request.match_info.route.resource:
        route = request.match_info.route.resource.canonical
        span.update_name(f"{request.method} {route}")
        span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(trace.StatusCode.ERROR)
    span.end()


class SpannedRequestHandler(JsonRequestHandler):
    """One connection, each request of which has a span."""

    __slots__ = ("span",)
    span: trace.Span

    def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """End the span: the answer is made."""
        end(self.span, request, resp.status)
        return super().finish_response(request, resp, start_time)


class SpannedServer(JsonServer):
    """Makes such connections."""

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return SpannedRequestHandler(self, times=self._times, loop=self._loop, **self._kwargs)


class SpannedRunner(JsonRunner):
    """Runs an application on such a server; its spans live as long as it does."""

    _spans: Spans | None = None

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        self._spans = Spans()
        return SpannedServer(
            server.request_handler,
            times=self._times,
            request_factory=_spanned(server.request_factory, self._spans),
            **self._kwargs,
        )

    async def cleanup(self) -> None:
        """Stop serving, then send the last spans."""
        await super().cleanup()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)


def _spanned(make_request: Callable[..., BaseRequest], spans: Spans) -> Callable[..., BaseRequest]:
    def make(message: Any, payload: Any, protocol: SpannedRequestHandler, writer: Any, task: Any) -> BaseRequest:
        request = make_request(message, payload, protocol, writer, task)
        protocol.span = spans.begin(request)
        return request

    return make
