"""``POST /login``: user name and password for two tokens."""

from aiohttp import web

from ..domain.names import Name, Password
from .app_keys import SESSIONS
from .bodies import Body, read_body
from .devices import device_of
from .proofs import key_to_bind
from .refresh_cookie import WantsCookie, opened_response, require_own_page

routes = web.RouteTableDef()


class Login(Body):
    """The body; with ``cookie`` the refresh token comes in a cookie alone, with ``new`` under a name of its own."""

    username: Name
    password: Password
    cookie: WantsCookie = False


@routes.post("/login")
async def login(request: web.Request) -> web.Response:
    """Open a session."""
    body = await read_body(request, Login)
    require_own_page(request, body.cookie)
    jkt = key_to_bind(request)
    granted = await request.app[SESSIONS].log_in(body.username, body.password, device_of(request), jkt=jkt)
    return opened_response(granted, request, body.cookie)
