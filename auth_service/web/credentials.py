"""Who calls: a user with an access token, or a service with the secret it shares with this one."""

import hmac

from aiohttp import hdrs, web

from auth_service.errors import CredentialsMissing, InvalidToken
from auth_service.models import Session
from auth_service.web.addresses import client_address
from auth_service.web.keys import ACCOUNTS, EVENTS, SETTINGS


def bearer_token(request: web.Request) -> str:
    """Return the token of ``Authorization: Bearer …`` (RFC 6750 §2.1).

    Raises:
        CredentialsMissing: there is none.
        InvalidToken: there are several headers, or the token is empty.
    """
    values = request.headers.getall(hdrs.AUTHORIZATION, ())
    if len(values) > 1:
        raise InvalidToken("several Authorization headers")
    scheme, _, token = values[0].partition(" ") if values else ("", "", "")
    if scheme.lower() != "bearer":
        raise CredentialsMissing("no bearer token")
    if not token.strip():
        raise InvalidToken("an empty token")
    return token.strip()


async def user_session(request: web.Request) -> Session:
    """Return the live session of the calling user. Raises: InvalidToken, Unavailable."""
    return await request.app[ACCOUNTS].authenticate(bearer_token(request))


def require_service(request: web.Request) -> None:
    """Return if the caller knows the service secret; without a configured one nobody does.

    Raises:
        InvalidToken: it does not; CredentialsMissing, if it presents none.
    """
    expected = request.app[SETTINGS].service_secret
    try:
        presented = bearer_token(request).encode(errors="surrogateescape")
    except InvalidToken as exc:
        refusal = exc
    else:
        if expected is not None and hmac.compare_digest(expected.get_secret_value().encode(), presented):
            return
        refusal = InvalidToken("not the service secret")
    request.app[EVENTS].service_refused(request.path, client_address(request))
    raise refusal
