"""Who calls: a user with an access token, or a service with the secret it shares with this one."""

import hmac

from aiohttp import hdrs, web

from auth_service.errors import InvalidToken
from auth_service.models import Session
from auth_service.web.addresses import client_address
from auth_service.web.keys import ACCOUNTS, EVENTS, SETTINGS


def bearer_token(request: web.Request) -> str:
    """Return the token of ``Authorization: Bearer …`` (RFC 6750 §2.1).

    Raises:
        InvalidToken: there is none, or more than one.
    """
    values = request.headers.getall(hdrs.AUTHORIZATION, ())
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("no bearer token")
    return token.strip()


async def user_session(request: web.Request) -> Session:
    """Return the live session of the calling user. Raises: InvalidToken, Unavailable."""
    return await request.app[ACCOUNTS].authenticate(bearer_token(request))


def require_service(request: web.Request) -> None:
    """Return if the caller knows the service secret; without a configured one nobody does.

    Raises:
        InvalidToken: it does not.
    """
    expected = request.app[SETTINGS].service_secret
    try:
        presented = bearer_token(request).encode(errors="surrogateescape")
    except InvalidToken:
        presented = b""  # no secret is that short
    if expected is None or not hmac.compare_digest(expected.get_secret_value().encode(), presented):
        request.app[EVENTS].service_refused(request.path, client_address(request))
        raise InvalidToken("not the service secret")
