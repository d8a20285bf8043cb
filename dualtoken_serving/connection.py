"""The one place where aiohttp's own answers, and errors that were raised as answers, take the shape of this project's.

It is the connection's handler and not a middleware, for two reasons. aiohttp answers by itself a request that it cannot
parse, or whose ``Expect`` it does not know, with text that quotes the request, and logs it: that may be an
Authorization header. And it costs a good request nothing.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage
from aiohttp.web_request import BaseRequest
from multidict import istr

from .cors import ORIGINS, refused_preflight
from .error_answers import as_json, error_answer
from .networks import network_of, plain_address
from .request_times import REQUEST_TIMES, RequestTimes
from .sampling import LogSampler
from .telemetry import spans_of
from .tracing import enter, trace_of

if TYPE_CHECKING:
    from .spans import Spans

log = structlog.get_logger(__name__)

_KNOWN_EXPECTATION = "100-continue"
_QUIET_S = 1.0  # between lines that a stranger can cause for nothing

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

    __slots__ = (
        "_answered",
        "_began_s",
        "_closes_after_answer",
        "_cors",
        "_is_answering",
        "_is_unparsable",
        "_observe",
        "_safe_headers",
        "_sampler",
        "_spans",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        times: RequestTimes,
        spans: "Spans | None",
        sampler: LogSampler,
        cors: tuple[str, Collection[str]],
        **options: Any,
    ) -> None:
        super().__init__(manager, **options)
        self._observe, self._spans, self._sampler = times.observe, spans, sampler
        self._cors = cors
        self._began_s = 0.0
        self._is_answering = self._closes_after_answer = self._is_unparsable = False
        self._answered: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Decide once what headers every answer of this connection has."""
        self._safe_headers = SAFE_HEADERS | (OVER_TLS if transport.get_extra_info("sslcontext") else {})
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came, up to the first bytes that cannot be parsed; what follows those is read and forgotten.

        aiohttp would parse on in vain, and keep an exception with the bytes for each piece that comes, until it has
        answered what came before.
        """
        if self._is_unparsable:
            return
        super().data_received(data)
        if self._messages and not isinstance(broken := self._messages[-1][0], RawRequestMessage):
            self._is_unparsable = True
            _let_go(broken.exc)

    def begin(self, request: BaseRequest) -> None:
        """Note the time, and that *request* is under way; its log lines and calls belong to its trace."""
        # The event loop's own clock is no choice: uvloop's has milliseconds.
        self._began_s = perf_counter()
        self._is_answering = True
        if self._spans is not None:
            self._spans.begin(request)
        enter(request)

    def close(self) -> None:
        """Close, once the request under way is answered: aiohttp would forget the rest of its body from now on."""
        if self._has_request():
            self._closes_after_answer = True
        else:
            super().close()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - as aiohttp has it
        """Close within twice *timeout*: a request under way has the first half for itself, then it is told to end."""
        if not self._has_request():
            super().close()  # once more: aiohttp would wait for the first request of a connection that was made since
        elif timeout:
            # aiohttp waits as long, but forgets what comes of the body meanwhile, and the handler would wait in vain.
            self._closes_after_answer = True
            self._answered = asyncio.get_running_loop().create_future()
            # A handler that is cancelled answers nothing, but the connection's task ends; a lost connection has none.
            ends = filter(None, (self._answered, self._task_handler))
            await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            timeout /= 2
        await super().shutdown(timeout)

    def _has_request(self) -> bool:
        """Whether one is under way, or has come and woken the task that is about to begin with it."""
        return self._is_answering or (self._waiter is not None and bool(self._messages))

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request: never used, only taken
    ) -> web.StreamResponse:
        """Answer an unparsable request or an unexpected failure: the traceback is for the log alone."""
        if _quotes_an_expectation(request, exc):
            status = HTTPStatus.EXPECTATION_FAILED
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            _let_go(exc)  # once more: what follows a declined upgrade is parsed elsewhere
            omitted = self._sampler.admit(status)
            if omitted is not None:
                log.info("request.unparsable", status=status, problem=type(exc).__name__, omitted=omitted)
        else:
            log.error("request.failed", method=request.method, status=status, exc_info=exc)
        if request.writer.output_size > 0:
            self._is_answering = False
            raise ConnectionError("an answer is under way already")
        answer = error_answer(status)
        answer.force_close()
        return answer

    def log_exception(self, *_args: Any, **kwargs: Any) -> None:
        """Log what broke a connection; aiohttp's own text may quote the request."""
        log.error("connection.failed", exc_info=kwargs.get("exc_info"))

    def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Give the one shape to every error that was raised as an answer, name its trace, and count the answer."""
        self._is_answering = False
        if isinstance(resp, web.HTTPException):
            resp = as_json(resp)
        if not resp.prepared:
            resp.headers.update(self._safe_headers)
            if resp.status >= 400:  # HTTPStatus has to be looked up: every request would pay for it
                resp.headers[REQUEST_ID] = trace_of(request).id
                self._tell_refused_page(request)
        if self._spans is not None:
            self._spans.end(request, resp.status)
        self._observe(request, resp.status, perf_counter() - self._began_s)
        if self._closes_after_answer:
            self._end()
        return super().finish_response(request, resp, start_time)

    def _tell_refused_page(self, request: BaseRequest) -> None:
        """Name the origin of a page that may not call, and what is missing: the browser tells its user neither."""
        refused = refused_preflight(request, *self._cors)
        if refused is None:
            return
        ip = plain_address(request.remote or "")
        omitted = self._sampler.admit(("page", network_of(ip)))
        if omitted is not None:
            log.warning("page.refused", **refused, ip=ip, omitted=omitted)

    def _end(self) -> None:
        super().close()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)


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

    def __init__(self, *args: Any, shared: dict[str, Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self._shared = shared

    def __call__(self) -> web.RequestHandler:
        """Make one connection's handler."""
        return JsonRequestHandler(self, loop=self._loop, **self._shared, **self._kwargs)


class JsonRunner(web.AppRunner):
    """Runs an application on such a server.

    Args:
        app: the application; its request times are counted under :data:`REQUEST_TIMES`.
        service: its name, in spans.
        options: of aiohttp's runner.
    """

    def __init__(self, app: web.Application, *, service: str, **options: Any) -> None:
        # Bodies stay as they were sent: nobody can make a service inflate one.
        super().__init__(app, access_log=None, max_field_size=HEADER_LIMIT, auto_decompress=False, **options)
        self._service = service
        self._times = app.setdefault(REQUEST_TIMES, RequestTimes())
        self._spans: Spans | None = None

    async def setup(self) -> None:
        """Open what the application needs; once, however often it is called: aiohttp's worker calls it again."""
        if self.server is None:
            await super().setup()

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        self._spans = spans_of(self._service)
        return JsonServer(
            server.request_handler,
            shared={
                "times": self._times,
                "spans": self._spans,
                "sampler": LogSampler(_QUIET_S),
                "cors": (
                    f"{self._service.removesuffix('_service').upper()}_CORS_ORIGINS",
                    self.app.get(ORIGINS, frozenset()),
                ),
            },
            request_factory=_begun(server.request_factory),
            handler_cancellation=False,  # a client that hangs up must not cut a rotation in half
            **self._kwargs,
        )

    async def cleanup(self) -> None:
        """Stop serving, then send the last spans."""
        await super().cleanup()
        if self._spans is not None:
            await asyncio.to_thread(self._spans.close)


def _begun(make_request: Callable[..., BaseRequest]) -> Callable[..., BaseRequest]:
    """Return *make_request*, which also tells the connection."""

    def make(message: Any, payload: Any, protocol: JsonRequestHandler, writer: Any, task: Any) -> BaseRequest:
        request = make_request(message, payload, protocol, writer, task)
        protocol.begin(request)
        return request

    return make
