"""A collector for OpenTelemetry's spans, over OTLP/HTTP on loopback."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.deadline import HANGS_S


@dataclass(frozen=True)
class Span:
    """What a service told of one request; ids are hexadecimal."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str | int]
    failed: bool


@dataclass
class Collector:
    """Keeps what it is sent."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        """Read one export."""
        body = await request.read()
        data = gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body
        async with self._news:
            self.spans += _read(data)
            self._news.notify_all()
        return web.Response(content_type="application/x-protobuf")

    async def until(self, holds: Callable[[list[Span]], bool]) -> list[Span]:
        """Return all spans once *holds*."""
        async with asyncio.timeout(HANGS_S), self._news:
            await self._news.wait_for(lambda: holds(self.spans))
            return list(self.spans)


def _read(data: bytes) -> list[Span]:
    found = []
    for resource in ExportTraceServiceRequest.FromString(data).resource_spans:
        names = {each.key: each.value.string_value for each in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                found.append(Span(names["service.name"], span.name, *ids, attributes, span.status.code == 2))
    return found


@contextlib.asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector; ``url`` is what ``OTEL_EXPORTER_OTLP_ENDPOINT`` takes."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    async with TestServer(app) as server:
        collector.url = str(server.make_url("")).rstrip("/")
        yield collector
