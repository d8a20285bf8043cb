"""``POST /refresh``: a refresh token for its successor and a fresh access token (RFC 6749 §6)."""

import re

from aiohttp import web
from multidict import istr

from auth_service.errors import InvalidGrant, InvalidRequest, UnsupportedGrantType
from auth_service.sessions import Granted
from auth_service.web.answers import token_response
from auth_service.web.bodies import Body, read_optional_body
from auth_service.web.keys import SESSIONS
from auth_service.web.refresh_cookie import cookie_response, token_in_cookie

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_HEADER = istr("Idempotency-Key")


class Refresh(Body):
    """The body; without a token in it, the cookie is asked."""

    refresh_token: str = ""
    grant_type: str = "refresh_token"


async def refresh(request: web.Request) -> web.Response:
    """Rotate the pair of tokens."""
    body = await read_optional_body(request, Refresh)
    if body.grant_type != "refresh_token":
        raise UnsupportedGrantType(body.grant_type)
    if "refresh_token" in body.model_fields_set:
        return token_response(await _rotate(request, body.refresh_token))
    token = token_in_cookie(request)
    try:
        return cookie_response(await _rotate(request, token))
    except InvalidGrant as exc:
        exc.forgets_cookie = True
        raise


async def _rotate(request: web.Request, token: str) -> Granted:
    return await request.app[SESSIONS].refresh(
        token, idempotency_key(request), is_awaited=lambda: request.transport is not None
    )


def idempotency_key(request: web.Request) -> str | None:
    """Return the ``Idempotency-Key``, if there is one.

    Raises:
        InvalidRequest: it stands more than once, or is not 1 to 128 visible ASCII characters.
    """
    keys = request.headers.getall(_HEADER, ())
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise InvalidRequest(f"{_HEADER} must be 1 to 128 visible ASCII characters, once.")
    return keys[0]
