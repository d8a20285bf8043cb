"""One OpenTelemetry span for each request. Imported only where spans are wanted: without them nothing is charged.

Method, route and status are all that a span tells: paths and queries may hold what a caller should not have put there.

Source: OpenTelemetry Semantic Conventions, "HTTP server span".
"""

import threading

from aiohttp import web
from aiohttp.web_request import BaseRequest
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from .tracing import Trace, belong

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
_LAST_SPANS_S = 3.0
"""Seconds that spans have to leave when the service ends."""
_SPAN = web.RequestKey("SPAN", trace.Span)


class Spans:
    """Makes spans and sends them off, from a thread of its own. One object for each process, made after the fork."""

    def __init__(self, service: str) -> None:
        """Read the ``OTEL_*`` variables; *service* is the name where they give none."""
        self._provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(service)

    def begin(self, request: BaseRequest) -> None:
        """Begin the span of *request*, under the caller's; log lines and calls share its trace."""
        method = request.method if request.method in _METHODS else "_OTHER"
        caller = propagate.extract(request.headers)
        attributes = {"http.request.method": method}
        span = self._tracer.start_span(method, caller, kind=trace.SpanKind.SERVER, attributes=attributes)
        belong(request, _trace(span.get_span_context()))
        context.attach(trace.set_span_in_context(span, caller))
        request[_SPAN] = span

    def end(self, request: BaseRequest, status: int) -> None:
        """End the span of *request*: its answer is made."""
        span = request[_SPAN]
        # Of bytes that could not be parsed, and of unknown methods, no route is known.
        if request.method in _METHODS and isinstance(request, web.Request) and request.match_info.route.resource:
            route = request.match_info.route.resource.canonical
            span.update_name(f"{request.method} {route}")
            span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        span.end()

    def close(self) -> None:
        """Send what is left, for a while, and stop."""
        # It would wait for a collector that does not answer for longer than a service has to end.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(_LAST_SPANS_S)


def _resource(service: str) -> Resource:
    given = Resource.create()
    unnamed = str(given.attributes[SERVICE_NAME]).startswith("unknown_service")
    return given.merge(Resource({SERVICE_NAME: service})) if unnamed else given


def _trace(of: trace.SpanContext) -> Trace:
    id_, span_id = trace.format_trace_id(of.trace_id), trace.format_span_id(of.span_id)
    return Trace(id_, of.trace_flags.sampled, of.trace_state.to_header(), span_id)
