"""HTTP where aiohttp answers by itself, before any middleware.

aiohttp answers a request that it cannot parse with text that quotes the offending bytes, and logs them too: they may be
a token or a password.
"""

from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import BaseRequest

from auth_service.web.errors import http_error_response

log = structlog.get_logger(__name__)


class JsonRequestHandler(web.RequestHandler):
    """One connection, on which every error is JSON."""

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what no middleware could: unparsable requests, and failures while an answer is being sent."""
        del message  # quotes the request
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            log.info("request.unparsable", status=status, problem=type(exc).__name__)
        else:
            log.error("request.failed", status=status, problem=type(exc).__name__, exc_info=_quotable(exc))
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        response = http_error_response(status)
        response.force_close()
        return response

    def log_exception(self, *_args: Any, **kwargs: Any) -> None:
        """Log what broke a connection; aiohttp's own text may quote the request."""
        exc = kwargs.get("exc_info")
        log.error("connection.failed", problem=type(exc).__name__, exc_info=_quotable(exc))

    def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> Coroutine[Any, Any, tuple[web.StreamResponse, bool]]:
        """Give the one shape to errors that aiohttp raises outside the middlewares, as for ``Expect``."""
        if isinstance(resp, web.HTTPException) and resp.status >= HTTPStatus.BAD_REQUEST:
            resp = http_error_response(resp.status)
        return super().finish_response(request, resp, start_time)


def _quotable(exc: BaseException | None) -> BaseException | None:
    return None if isinstance(exc, HttpProcessingError | web.RequestPayloadError) else exc


class JsonServer(web.Server):
    """Makes such connections."""

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        return JsonRequestHandler(self, loop=self._loop, **self._kwargs)


class JsonRunner(web.AppRunner):
    """Runs an application on such a server."""

    def __init__(self, app: web.Application, **options: Any) -> None:
        # Bodies stay as they were sent: nobody can make this service inflate one.
        super().__init__(app, auto_decompress=False, **options)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return JsonServer(server.request_handler, request_factory=server.request_factory, **self._kwargs)
