"""The one place where an exception becomes an answer."""

from http import HTTPStatus

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from resource_service.web.challenge import error_body

log = structlog.get_logger(__name__)

JSON = "application/json"

CODES = {
    400: "invalid_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "payload_too_large",
    415: "unsupported_media_type",
    417: "expectation_failed",
    500: "server_error",
    503: "unavailable",
}
"""Error codes by status; the phrase of the status describes them, since other texts may quote the request."""


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the one shape; what nobody expected is a bare 500 outside and a trace in the log."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        raise as_json(error) from None
    except Exception:
        log.exception("request.failed", method=request.method, route=_route(request))
        return error_answer(500)


def as_json(error: web.HTTPException) -> web.HTTPException:
    """Give *error* the one shape, in place. Redirects, and errors that have it already, stay as they are."""
    if error.status >= 400 and error.content_type != JSON:
        error.text = _body(error.status)
        error.content_type = JSON
    return error


def error_answer(status: int) -> web.Response:
    """Make an error answer from its status alone."""
    return web.Response(status=status, text=_body(status), content_type=JSON, headers={hdrs.CACHE_CONTROL: "no-store"})


def _body(status: int) -> str:
    code = CODES.get(status, "invalid_request" if status < 500 else "server_error")
    return error_body(code, HTTPStatus(status).phrase)


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"
