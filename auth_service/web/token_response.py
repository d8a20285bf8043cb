"""The token answer (RFC 6749 §5.1)."""

from typing import Any

from aiohttp import hdrs, web
from multidict import CIMultiDict
from pydantic_core import to_json

from ..use_cases.session_terms import Granted

_HEADERS = CIMultiDict({hdrs.CACHE_CONTROL: "no-store", hdrs.CONTENT_TYPE: "application/json"})


def token_response(
    granted: Granted, *, with_refresh_token: bool = True, status: int = 200, **members: Any
) -> web.Response:
    """Return 200, or *status*, with the tokens, and *members* beside them."""
    body = {
        "token_type": "Bearer",
        "access_token": granted.access_token,
        "expires_in": granted.expires_in,
        "refresh_token": granted.refresh_token,
        "refresh_expires_in": granted.refresh_expires_in,
        "scope": granted.scope,
        **members,
    }
    if not with_refresh_token:
        del body["refresh_token"]
    return web.Response(status=status, body=to_json(body), headers=_HEADERS)


def user_info(granted: Granted) -> dict[str, str]:
    """Return who logged in."""
    return {"username": granted.user.username, "email": granted.user.email}
