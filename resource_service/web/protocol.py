"""HTTP as this service speaks it where aiohttp answers by itself, before any middleware.

aiohttp answers a request that it cannot parse with text that quotes the offending bytes, and logs them too: they may be
an Authorization header.
"""

from typing import Any

import structlog
from aiohttp import web
from aiohttp.web_request import BaseRequest

from resource_service.web.errors import as_json, error_answer

log = structlog.get_logger(__name__)

HEADER_LIMIT = 16 * 1024
"""Bytes of one header field. Twice the longest token: what is too long for a token is refused as one."""


class JsonRequestHandler(web.RequestHandler):
    """One connection, on which every error is JSON."""

    def handle_error(
        self,
        request: BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request: never used, only taken
    ) -> web.StreamResponse:
        """Answer what no middleware could: unparsable requests, and failures while an answer is being sent."""
        if status < 500:
            log.info("request.unparsable", status=status, problem=type(exc).__name__)
        else:
            log.error("request.failed", status=status, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        answer = error_answer(status)
        answer.force_close()
        return answer

    def log_exception(self, *_args: Any, **kwargs: Any) -> None:
        """Log what broke a connection."""
        log.error("connection.failed", exc_info=kwargs.get("exc_info"))

    async def finish_response(
        self, request: BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Give the one shape to errors that aiohttp raises outside the middlewares, as for ``Expect``."""
        if isinstance(resp, web.HTTPException):
            resp = as_json(resp)
        return await super().finish_response(request, resp, start_time)


class JsonServer(web.Server):
    """Makes such connections."""

    def __call__(self) -> web.RequestHandler:
        """Make one connection's handler."""
        return JsonRequestHandler(self, loop=self._loop, **self._kwargs)


class JsonRunner(web.AppRunner):
    """Runs an application on such a server."""

    def __init__(self, app: web.Application, **kwargs: Any) -> None:
        # Bodies stay as they were sent: nobody can make this service inflate one.
        super().__init__(app, access_log=None, max_field_size=HEADER_LIMIT, auto_decompress=False, **kwargs)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        return JsonServer(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
            **self._kwargs,
        )
