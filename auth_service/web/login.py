"""``POST /login``: user name and password for two tokens."""

from typing import Annotated

from aiohttp import hdrs, web
from pydantic import StringConstraints

from auth_service.errors import InvalidRequest
from auth_service.models import Client
from auth_service.web.addresses import client_address
from auth_service.web.answers import token_response, user_info
from auth_service.web.bodies import Body, read_body
from auth_service.web.keys import SESSIONS
from auth_service.web.refresh_cookie import cookie_response, may_hold_cookie

MAX_NAME = 255
MAX_PASSWORD = 1024
MIN_NEW_PASSWORD = 8
_MAX_USER_AGENT = 256
# No control characters: PostgreSQL stores no NUL, and nobody has a line break in a name.
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME, pattern=r"^[^\x00-\x1f\x7f]+$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD)]
# NIST SP 800-63B §3.1.1.2: length counts, composition does not.
NewPassword = Annotated[str, StringConstraints(min_length=MIN_NEW_PASSWORD, max_length=MAX_PASSWORD)]


class Login(Body):
    """The body; with ``cookie`` the refresh token comes in a cookie alone."""

    username: Name
    password: Password
    cookie: bool = False


async def login(request: web.Request) -> web.Response:
    """Open a session."""
    body = await read_body(request, Login)
    # A foreign page must not log its visitor in as somebody else: the form that it can submit sets cookies, too.
    if body.cookie and not may_hold_cookie(request):
        raise InvalidRequest("cookie: the Origin is not one of AUTH_CORS_ORIGINS.")
    granted = await request.app[SESSIONS].log_in(body.username, body.password, client_of(request))
    return cookie_response(granted) if body.cookie else token_response(granted, userInfo=user_info(granted))


def client_of(request: web.Request) -> Client:
    """Return what a list of sessions will show of the caller."""
    agent = request.headers.get(hdrs.USER_AGENT, "")[:_MAX_USER_AGENT]
    # Header bytes that are no UTF-8 arrive as lone surrogates, which no database stores.
    return Client(agent.encode(errors="replace").decode(), client_address(request))
