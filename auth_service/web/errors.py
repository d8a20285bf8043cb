"""The only place where an exception becomes an answer."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from auth_service.errors import (
    AuthError,
    CredentialsMissing,
    InvalidGrant,
    InvalidToken,
    PayloadTooLarge,
    TooManyAttempts,
    Unavailable,
)
from auth_service.web.addresses import client_address
from auth_service.web.keys import EVENTS, SETTINGS
from auth_service.web.refresh_cookie import forget_cookie

log = structlog.get_logger(__name__)
_CODES = {400: AuthError.code, 500: "server_error"}


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into the one error shape; what is not foreseen is 500 and stands in the log only."""
    try:
        return await handler(request)
    except AuthError as exc:
        if isinstance(exc, Unavailable):
            log.error("unavailable", problem=str(exc))  # noqa: TRY400 - an expected failure needs no traceback
        if isinstance(exc, TooManyAttempts):
            request.app[EVENTS].throttled(request.path, client_address(request))
        return _answer(exc, request.app[SETTINGS].issuer)
    except web.HTTPRequestEntityTooLarge:
        return _answer(PayloadTooLarge(), request.app[SETTINGS].issuer)
    except web.HTTPException as exc:
        if exc.status < HTTPStatus.BAD_REQUEST:
            raise
        allow = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
        return http_error_response(exc.status, headers=allow)
    except Exception:
        log.exception("unexpected", path=request.path, method=request.method)
        return http_error_response(500)


def _answer(exc: AuthError, realm: str) -> web.Response:
    headers = {}
    if exc.retry_after_s is not None:
        headers["Retry-After"] = str(exc.retry_after_s)
    if isinstance(exc, InvalidToken):
        error = "" if isinstance(exc, CredentialsMissing) else f', error="{exc.code}"'
        headers["WWW-Authenticate"] = f'Bearer realm="{realm}"{error}'
    response = error_response(exc.status, exc.code, exc.description, reason=exc.reason, headers=headers)
    if isinstance(exc, InvalidGrant) and exc.forgets_cookie:
        forget_cookie(response)
    return response


def http_error_response(status: int, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the one error shape for a status alone: other texts of the framework may quote the request."""
    phrase = HTTPStatus(status).phrase
    return error_response(status, _CODES.get(status, phrase.lower().replace(" ", "_")), f"{phrase}.", headers=headers)


def error_response(
    status: int, code: str, description: str, *, reason: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the one error shape (RFC 6749 §5.2)."""
    body = {"error": code, "error_description": description}
    if reason is not None:
        body["reason"] = reason
    return web.Response(
        status=status,
        body=json.dumps(body).encode(),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
