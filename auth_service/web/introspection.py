"""``POST /introspect`` (RFC 7662)."""

from aiohttp import web

from .app_keys import INTROSPECTION
from .bodies import Body, read_body
from .credentials import require_service

routes = web.RouteTableDef()


class Introspect(Body):
    """The body; ``token_type_hint`` is not needed: only access tokens can be active."""

    token: str
    client_secret: str | None = None


@routes.post("/introspect")
async def introspect(request: web.Request) -> web.Response:
    """Say whether a token is alive, and whose it is."""
    body = await read_body(request, Introspect)
    require_service(request, body.client_secret)
    answer = await request.app[INTROSPECTION].introspect(body.token)
    return web.json_response(answer, headers={"Cache-Control": "no-store"})
