"""``POST /token``: the token endpoint (RFC 6749 §3.2), which serves each grant of ``grants/``."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from ..errors import UnsupportedGrantType
from ..settings import Settings
from .app_keys import SETTINGS
from .bodies import Body, read_bytes, validated
from .grants import jwt_bearer, refresh_token, session_code

Grant = Callable[[web.Request, bytes], Awaitable[web.Response]]

routes = web.RouteTableDef()
_GRANTS = (refresh_token, jwt_bearer, session_code)


class TokenRequest(Body):
    """What every grant has; the rest is the grant's own."""

    grant_type: str


def grants(settings: Settings) -> dict[str, Grant]:
    """Return what is served under these settings, by ``grant_type``."""
    return {module.GRANT_TYPE: module.grant for module in _GRANTS if module.is_served(settings)}


@routes.post("/token")
async def token(request: web.Request) -> web.Response:
    """Answer by the grant that the body names."""
    body, served = await read_bytes(request), grants(request.app[SETTINGS])
    grant = served.get(validated(request, body, TokenRequest).grant_type)
    if grant is None:
        raise UnsupportedGrantType(*served)
    return await grant(request, body)
