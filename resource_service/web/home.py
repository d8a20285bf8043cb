"""The resources themselves."""

import asyncio
import hashlib

from aiohttp import web

from ..verification.claims import Claims
from .bearer import CLAIMS, public, requires

MIB = 1024 * 1024
ECHO_LIMIT = 8 * MIB
CHUNK = 64 * 1024
READ_S = 60.0
routes = web.RouteTableDef()


@routes.get("/")
@public
async def index(_request: web.Request) -> web.Response:
    """Say what this is, to anybody."""
    return web.json_response({"status": "success", "message": "A resource service. GET /home needs an access token."})


@routes.get("/home")
async def home(request: web.Request) -> web.Response:
    """Say who calls."""
    return greet(request[CLAIMS])


def greet(claims: Claims) -> web.Response:
    """Make the answer of ``GET /home``."""
    data = {
        "username": claims.username,
        "email": claims.email,
        "sub": claims.sub,
        "sid": claims.sid,
        "scope": claims.scope,
        "iat": claims.iat,
        "exp": claims.exp,
    }
    answer = {"status": "success", "message": f"Welcome home, {claims.username or claims.sub}.", "data": data}
    return web.json_response(answer, headers={"Cache-Control": "no-store"})


@routes.post("/echo")
@requires("write")
async def echo(request: web.Request) -> web.Response:
    """Measure and hash a body of any kind as it comes in, holding one chunk of it at a time.

    Raises:
        web.HTTPBadRequest: its framing is broken, or its sender hung up.
        web.HTTPRequestTimeout: it takes more than a minute.
        web.HTTPRequestEntityTooLarge: it is larger than 8 MiB, by its header or by its bytes.
    """
    if (request.content_length or 0) > ECHO_LIMIT:
        raise web.HTTPRequestEntityTooLarge(ECHO_LIMIT, request.content_length or 0)
    size, digest = 0, hashlib.sha256()
    try:
        async with asyncio.timeout(READ_S):
            async for chunk in request.content.iter_chunked(CHUNK):
                size += len(chunk)
                if size > ECHO_LIMIT:
                    raise web.HTTPRequestEntityTooLarge(ECHO_LIMIT, size)
                digest.update(chunk)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except (web.RequestPayloadError, ConnectionError):
        raise web.HTTPBadRequest from None
    return web.json_response({"bytes": size, "sha256": digest.hexdigest()})
