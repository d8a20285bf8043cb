"""``POST /introspect`` (RFC 7662)."""

from aiohttp import web

from auth_service.web.bodies import Body, read_body
from auth_service.web.credentials import require_service
from auth_service.web.keys import INTROSPECTION


class Introspect(Body):
    """The body; ``token_type_hint`` is not needed: the two kinds look different."""

    token: str


async def introspect(request: web.Request) -> web.Response:
    """Say whether a token is alive, and whose it is."""
    require_service(request)
    body = await read_body(request, Introspect)
    answer = await request.app[INTROSPECTION].introspect(body.token)
    return web.json_response(answer, headers={"Cache-Control": "no-store"})
