"""``refresh_token``: a refresh token for its successor and a fresh access token (RFC 6749 §6)."""

import re
from collections.abc import Awaitable
from functools import partial
from typing import Final

from aiohttp import web
from multidict import istr

from ...errors import InvalidDpopProof, InvalidGrant, InvalidRequest, UnsupportedGrantType
from ...settings import Settings
from ...use_cases.session_terms import Granted
from ..addresses import client_address
from ..app_keys import REFRESH_LIMIT, SESSIONS
from ..bodies import Body, validated
from ..proofs import key_of_refresh, passed_over
from ..refresh_cookie import cookie_response, name_for_refresh, token_in_cookie
from ..token_response import token_response

GRANT_TYPE: Final = "refresh_token"
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_HEADER = istr("Idempotency-Key")


class Refresh(Body):
    """The body; without a token in it, the cookie is asked."""

    refresh_token: str = ""
    grant_type: str = GRANT_TYPE
    scope: str | None = None


def is_served(_settings: Settings) -> bool:
    """Whether there are refresh tokens: always."""
    return True


async def grant(request: web.Request, body: bytes) -> web.Response:
    """Rotate the pair of tokens.

    Args:
        request: what it came with.
        body: as it came; an empty one has no members.

    Raises:
        AuthError: each way in which a refresh is refused.
    """
    request.app[REFRESH_LIMIT].count(client_address(request))
    wanted = validated(request, body, Refresh) if body else Refresh()
    if wanted.grant_type != GRANT_TYPE:
        raise UnsupportedGrantType(GRANT_TYPE)
    cookie = None if "refresh_token" in wanted.model_fields_set else token_in_cookie(request)
    try:
        granted = await _rotate(request, cookie.token if cookie else wanted.refresh_token, wanted.scope)
    except InvalidGrant as exc:
        exc.forgets_cookies = cookie.names if cookie else ()
        raise
    except InvalidDpopProof as unproven:
        raise (passed_over(request) or unproven) from None
    return cookie_response(granted, request, name_for_refresh(request, cookie)) if cookie else token_response(granted)


def _rotate(request: web.Request, token: str, scope: str | None) -> Awaitable[Granted]:
    return request.app[SESSIONS].refresh(
        token,
        idempotency_key(request),
        prove=partial(key_of_refresh, request),
        scope=scope or None,  # without a value it is as good as left out (RFC 6749 §3.2)
        is_awaited=lambda: request.transport is not None,
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
