"""``POST /refresh``: the grant of a refresh token, under a name of its own."""

from aiohttp import web

from .bodies import read_bytes
from .grants import refresh_token

routes = web.RouteTableDef()


@routes.post("/refresh")
async def refresh(request: web.Request) -> web.Response:
    """Rotate the pair of tokens. The body may be missing in cookie mode, however a proxy frames that."""
    body = await read_bytes(request) if request.can_read_body else b""
    return await refresh_token.grant(request, body)
