"""The format of every error answer (RFC 6749 §5.2)."""

import json
from http import HTTPStatus

from aiohttp import hdrs, web

JSON = "application/json"

CODES = {
    400: "invalid_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    415: "unsupported_media_type",
    417: "expectation_failed",
    500: "server_error",
    503: "unavailable",
}
"""Error codes by status; the phrase of the status describes them, since other texts may quote the request."""


def error_body(code: str, description: str, reason: str | None = None) -> str:
    """Make the body of an error answer."""
    body = {"error": code, "error_description": description}
    return json.dumps(body if reason is None else body | {"reason": reason})


def as_json(error: web.HTTPException) -> web.HTTPException:
    """Give *error* the one shape, in place. Redirects, and errors that have it already, stay as they are."""
    if error.status >= 400 and error.content_type != JSON:
        error.text = _body(error.status)
        error.content_type = JSON
        error.headers[hdrs.CACHE_CONTROL] = "no-store"
    return error


def error_answer(status: int) -> web.Response:
    """Make an error answer from its status alone."""
    return web.Response(status=status, text=_body(status), content_type=JSON, headers={hdrs.CACHE_CONTROL: "no-store"})


def _body(status: int) -> str:
    code = CODES.get(status, "invalid_request" if status < 500 else "server_error")
    return error_body(code, HTTPStatus(status).phrase)
