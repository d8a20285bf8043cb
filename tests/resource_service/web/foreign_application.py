"""An application that is not ours, with routes that ask for different things."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from dualtoken.resource_service.web.bearer import CLAIMS, Bearer, optional, public, requires
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key, write_keys
from tests.resource_service.services import serving


async def plain(request: web.Request) -> web.Response:
    """Say who calls."""
    claims = request.get(CLAIMS)
    return web.json_response({"sub": claims and claims.sub})


@requires("write")
async def writing(request: web.Request) -> web.Response:
    """Say who writes."""
    return await plain(request)


@requires("read")
@requires("write")
async def both(request: web.Request) -> web.Response:
    """Say who may do both."""
    return await plain(request)


@optional
async def greeting(request: web.Request) -> web.Response:
    """Greet anybody, and some by name."""
    return await plain(request)


@optional
@requires("write")
async def inconsistent(request: web.Request) -> web.Response:
    """Nobody has no scopes."""
    return await plain(request)


@public
async def status(_request: web.Request) -> web.Response:
    """Tell anybody."""
    return web.json_response({"sub": None})


class Item(web.View):
    """A class-based handler whose methods ask for different things."""

    @public
    async def get(self) -> web.Response:
        """For anybody."""
        return web.json_response({"sub": None})

    async def put(self) -> web.Response:
        """For those who are known."""
        return await plain(self.request)

    @requires("write")
    async def delete(self) -> web.Response:
        """For writers."""
        return await plain(self.request)


class Preflighted(web.View):
    """A view that answers preflights by itself, as the mixin of aiohttp-cors makes it."""

    async def get(self) -> web.Response:
        """For those who are known."""
        return await plain(self.request)

    async def options(self) -> web.Response:
        """Tell a browser what is allowed."""
        return await plain(self.request)


class Shelf:
    """Handlers that share an object."""

    @requires("write")
    async def fill(self, request: web.Request) -> web.Response:
        """For writers."""
        return await plain(request)


def foreign_application() -> web.Application:
    """Make it, unguarded."""
    app = web.Application()
    app.add_routes(
        [
            web.get("/plain", plain),
            web.get("/writing", writing),
            web.get("/both", both),
            web.get("/greeting", greeting),
            web.get("/inconsistent", inconsistent),
            web.get("/status", status),
            web.view("/item", Item),
            web.view("/preflighted-view", Preflighted),
            web.get("/shelf", Shelf().fill),
            web.options("/preflighted", plain),
            web.route("*", "/anything", plain),
        ]
    )
    return app


@contextlib.asynccontextmanager
async def mounted(key: Key, path: Path, **options: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """Run it with the middleware, which knows *key* from a file in the folder *path*; give a session for it."""
    app = foreign_application()
    # The three lines of the README, but for the clock:
    keys = write_keys(path / "access.jwks.json", key)
    Bearer(issuer=ISSUER, audience=AUDIENCE, keys=keys, clock=Clock(NOW + 10), **options).mount(app)
    async with serving(app) as url, aiohttp.ClientSession(url) as session:
        yield session
