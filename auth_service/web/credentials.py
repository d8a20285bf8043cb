"""Authenticates callers: a user by access token, or a service by the shared secret."""

from base64 import b64decode
from urllib.parse import unquote_plus

from aiohttp import hdrs, web

from ..domain.models import Session
from ..errors import AuthError, CredentialsMissing, InvalidClient, InvalidRequest, InvalidToken, WrongSecret
from ..keys.watched_secret import WatchedSecret
from .addresses import client_address
from .app_keys import ACCOUNTS, BACKEND_SECRET, EVENTS, SERVICE_SECRET
from .routes import route_of


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


async def user_session(request: web.Request, *, hashes_from: str | None = None) -> Session:
    """Return the live session of the calling user; see ``Accounts.authenticate``."""
    return await request.app[ACCOUNTS].authenticate(bearer_token(request), hashes_from=hashes_from)


def require_service(request: web.Request, client_secret: str | None = None) -> None:
    """Return if the caller sent the service secret; without a configured one, no caller can.

    Args:
        request: with the secret as a bearer token, or as the password of HTTP Basic with any user name.
        client_secret: the member of the body, where the endpoint has one.

    Raises:
        InvalidRequest: it stands in two places (RFC 6749 §2.3).
        InvalidToken, InvalidClient: it is another; CredentialsMissing, if there is none.
    """
    _require(request, request.app[SERVICE_SECRET], client_secret)


def require_backend(request: web.Request) -> None:
    """Return if the caller knows the backend secret, as ``require_service`` takes it; no other secret or token will do.

    Raises:
        InvalidToken, InvalidClient: it is another; CredentialsMissing, if there is none.
    """
    _require(request, request.app[BACKEND_SECRET], None)


def _require(request: web.Request, secret: WatchedSecret, client_secret: str | None) -> None:
    try:
        presented, refusal = _presented_secrets(request, client_secret)
    except InvalidToken as exc:
        presented, refusal = [], exc
    if secret.opens(presented):
        return
    request.app[EVENTS].service_refused(route_of(request), client_address(request))
    raise refusal


def _presented_secrets(request: web.Request, client_secret: str | None) -> tuple[list[str], AuthError]:
    """Return what may be the secret, and how it is refused if it is not."""
    values = request.headers.getall(hdrs.AUTHORIZATION, ())
    if client_secret or (client_secret is not None and not values):  # an empty one is left out (RFC 6749 §3.2)
        if values:
            raise InvalidRequest("Send the secret once: in the Authorization header, or as client_secret.")
        return [client_secret], InvalidClient("not the secret")
    if len(values) == 1 and values[0].partition(" ")[0].lower() == "basic":
        return _passwords_of(values[0]), InvalidClient("not the secret")
    return [bearer_token(request)], WrongSecret("not the secret")


def _passwords_of(basic: str) -> list[str]:
    """Return the password of HTTP Basic as it stands, and as RFC 6749 §2.3.1 has clients encode it."""
    try:
        _login, colon, password = b64decode(basic.partition(" ")[2].strip(), validate=True).decode().partition(":")
    except ValueError:  # neither base64 nor UTF-8
        return []
    return [password, unquote_plus(password)] if colon else []
