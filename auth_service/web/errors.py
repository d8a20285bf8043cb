"""The only place where an exception becomes an answer."""

from collections.abc import Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from dualtoken_serving.error_answers import JSON, error_answer, error_body

from ..errors import (
    AuthError,
    CredentialsMissing,
    InvalidClient,
    InvalidGrant,
    InvalidToken,
    PayloadTooLarge,
    RefreshNotByPost,
    TooManyAttempts,
    Unavailable,
    UseDpopNonce,
)
from .addresses import client_address
from .app_keys import EVENTS, SETTINGS
from .pages import refuse_foreign_page
from .proofs import NONCE, with_next_nonce
from .refresh_cookie import forget_cookies
from .routes import route_of

log = structlog.get_logger(__name__)
_REFRESH = "/refresh"


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into the one error shape; what is not foreseen is 500 and stands in the log only."""
    try:
        refuse_foreign_page(request)
        return with_next_nonce(request, await handler(request))
    except AuthError as exc:
        if isinstance(exc, Unavailable):
            request.app[EVENTS].unavailable(str(exc))
        if isinstance(exc, TooManyAttempts):
            request.app[EVENTS].throttled(route_of(request), client_address(request))
        return with_next_nonce(request, _answer(exc, request.app[SETTINGS].issuer))
    except web.HTTPRequestEntityTooLarge:
        return _answer(PayloadTooLarge(), request.app[SETTINGS].issuer)
    except web.HTTPMethodNotAllowed:
        if request.path != _REFRESH:
            raise
        return _answer(RefreshNotByPost(), request.app[SETTINGS].issuer)
    except web.HTTPException:
        raise  # the connection gives it its shape
    except Exception:
        log.exception("unexpected", path=request.path, method=request.method)
        return error_answer(500)


def _answer(exc: AuthError, realm: str) -> web.Response:
    headers: dict[str, str] = {}
    if exc.retry_after_s is not None:
        headers["Retry-After"] = str(exc.retry_after_s)
    if isinstance(exc, UseDpopNonce):
        headers[NONCE] = exc.nonce
    if isinstance(exc, RefreshNotByPost):
        headers["Allow"] = "POST"
    if isinstance(exc, InvalidClient):
        headers["WWW-Authenticate"] = f'Basic realm="{realm}"'
    if isinstance(exc, InvalidToken):
        error = "" if isinstance(exc, CredentialsMissing) else f', error="{exc.code}"'
        headers["WWW-Authenticate"] = f'Bearer realm="{realm}"{error}'
    response = error_response(exc.status, exc.code, exc.description, reason=exc.reason, headers=headers)
    if isinstance(exc, InvalidGrant):
        forget_cookies(response, exc.forgets_cookies)
    return response


def error_response(
    status: int, code: str, description: str, *, reason: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return the one error shape (RFC 6749 §5.2)."""
    return web.Response(
        status=status,
        text=error_body(code, description, reason),
        content_type=JSON,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
