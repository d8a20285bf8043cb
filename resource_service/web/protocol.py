"""The one place where an exception becomes an answer.

It is the connection's handler and not a middleware, for two reasons. aiohttp answers by itself a request that it cannot
parse, or whose ``Expect`` it does not know, with text that quotes the request, and logs it: that may be an
Authorization header. And it costs a good request nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.web_request import BaseRequest
from multidict import istr

from resource_service import tracing
from resource_service.web.errors import as_json, error_answer
from resource_service.web.request_times import REQUEST_TIMES, RequestTimes

log = structlog.get_logger(__name__)

_KNOWN_EXPECTATION = "100-continue"

HEADER_LIMIT = 16 * 1024
"""Bytes of one header field. Twice the longest token: what is too long for a token is refused as one."""

SAFE_HEADERS = {
    istr("X-Content-Type-Options"): "nosniff",
    istr("Referrer-Policy"): "no-referrer",
    istr("X-Frame-Options"): "DENY",
}
"""On every answer."""
REQUEST_ID = "X-Request-Id"
"""On every error: the ``trace_id`` of the log lines about the request."""
OVER_TLS = {istr("Strict-Transport-Security"): "max-age=63072000"}
"""Over TLS as well (RFC 6797 §7.2 forbids it elsewhere): two years."""


class JsonRequestHandler(web.RequestHandler):
    """One connection, on which every error is JSON."""

    __slots__ = ("_is_unparsable", "_observe", "_safe_headers", "began_s")

    def __init__(self, manager: web.Server, *, times: RequestTimes, **options: Any) -> None:
        super().__init__(manager, **options)
        self._observe = times.observe
        self.began_s = 0.0
        """When the request under way came in, on the clock of :func:`time.perf_counter`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Decide once what headers every answer of this connection has."""
        self._safe_headers = SAFE_HEADERS | (OVER_TLS if transport.get_extra_info("sslcontext") else {})
        self._is_unparsable = False
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came. After the first bytes that cannot be parsed, the rest is read and forgotten.

        While the service ends, the body of the request under way is still read: aiohttp would forget it, and the
        handler would wait for it in vain.
        """
        if self._is_unparsable:
            return
        if (self._close or self._force_close) and self._is_reading():
            ending = self._close, self._force_close
            self._close = self._force_close = False
            super().data_received(data)
            self._close, self._force_close = ending
        else:
            super().data_received(data)
        if self._messages and not isinstance(broken := self._messages[-1][0], RawRequestMessage):
            self._is_unparsable = True
            _let_go(broken.exc)

    def _is_reading(self) -> bool:
        """Whether the request under way waits for more of its body."""
        return self._current_request is not None and not self._current_request.content.is_eof()

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request: never used, only taken
    ) -> web.StreamResponse:
        """Answer an unparsable request, or a failure that nobody expected: the trace is for the log alone."""
        tracing.enter(request)
        if _quotes_an_expectation(request, exc):
            status = 417
        if status < 500:
            _let_go(exc)  # once more: what follows a declined upgrade is parsed elsewhere
            log.info("request.unparsable", status=status, problem=type(exc).__name__)
        else:
            log.error("request.failed", method=request.method, status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        answer = error_answer(status)
        answer.force_close()
        return answer

    def log_exception(self, *_args: Any, **kwargs: Any) -> None:
        """Log what broke a connection."""
        log.error("connection.failed", exc_info=kwargs.get("exc_info"))

    def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Give the one shape to every error that was raised as an answer, name its trace, and count the answer."""
        if isinstance(resp, web.HTTPException):
            resp = as_json(resp)
        if not resp.prepared:
            resp.headers.update(self._safe_headers)
            if resp.status >= 400:
                resp.headers[REQUEST_ID] = tracing.trace_of(request).id
        self._observe(request, resp.status, perf_counter() - self.began_s)
        return super().finish_response(request, resp, start_time)


def _quotes_an_expectation(request: BaseRequest, exc: BaseException | None) -> bool:
    """Whether aiohttp failed to quote an unknown ``Expect`` that is no UTF-8; no handler has run."""
    expected = request.headers.get(hdrs.EXPECT, _KNOWN_EXPECTATION)
    return isinstance(exc, UnicodeEncodeError) and expected.lower() != _KNOWN_EXPECTATION


def _let_go(exc: BaseException | None) -> None:
    """Break the cycle of a parser's exception, its traceback, aiohttp's frame, and the queue where the exception waits.

    The frame has the bytes too: megabytes, that would stay until the collector comes.
    """
    if exc is not None:
        exc.__traceback__ = None


class JsonServer(web.Server):
    """Makes such connections."""

    def __init__(self, *args: Any, times: RequestTimes, **options: Any) -> None:
        super().__init__(*args, **options)
        self._times = times

    def __call__(self) -> web.RequestHandler:
        """Make one connection's handler."""
        return JsonRequestHandler(self, times=self._times, loop=self._loop, **self._kwargs)


class JsonRunner(web.AppRunner):
    """Runs an application on such a server."""

    def __init__(self, app: web.Application, **kwargs: Any) -> None:
        # Bodies stay as they were sent: nobody can make this service inflate one.
        super().__init__(app, access_log=None, max_field_size=HEADER_LIMIT, auto_decompress=False, **kwargs)
        self._times = app[REQUEST_TIMES] = RequestTimes()

    async def setup(self) -> None:
        """Open what the application needs; once, however often it is called: aiohttp's worker calls it again."""
        if self.server is None:
            await super().setup()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return JsonServer(
            server.request_handler,
            times=self._times,
            request_factory=_begun(server.request_factory),
            handler_cancellation=server.handler_cancellation,
            **self._kwargs,
        )


def _begun(make_request: Callable[..., BaseRequest]) -> Callable[..., BaseRequest]:
    """Return *make_request*, which also notes the time."""

    def make(message: Any, payload: Any, protocol: JsonRequestHandler, writer: Any, task: Any) -> BaseRequest:
        protocol.began_s = perf_counter()
        return make_request(message, payload, protocol, writer, task)

    return make
