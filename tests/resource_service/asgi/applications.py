"""One small application, written for each framework, behind one guard."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Annotated, Any

import fastapi
import litestar
import uvicorn
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from yarl import URL

from dualtoken.resource_service import CLAIMS, Bearer, requires
from dualtoken.resource_service.asgi import BearerMiddleware, Refused, claims_of, require
from dualtoken.resource_service.fastapi import claims
from dualtoken.resource_service.fastapi import requires as fastapi_requires
from dualtoken.resource_service.litestar import refused
from dualtoken.resource_service.verification.claims import Claims
from tests.resource_service.clock import Clock
from tests.resource_service.issuer import AUDIENCE, ISSUER, NOW, Key
from tests.resource_service.services import serving

KEY = Key()
GUARDED: dict[str, Any] = {
    "issuer": ISSUER,
    "audience": AUDIENCE,
    "keys": {"keys": [KEY.jwk]},
    "clock": Clock(NOW + 10),
}
PUBLIC = ["/open"]


def of_fastapi() -> Any:
    """FastAPI, with its dependencies."""
    app = fastapi.FastAPI()
    app.add_middleware(BearerMiddleware, public=PUBLIC, **GUARDED)

    @app.get("/home")
    async def home(who: Annotated[Claims, fastapi.Depends(claims)]) -> dict[str, str]:
        return {"sub": who.sub}

    @app.post("/notes", dependencies=[fastapi.Depends(fastapi_requires("write"))])
    async def notes() -> dict[str, str]:
        return {}

    @app.get("/open")
    async def opened() -> dict[str, str]:
        return {}

    return app


async def _home(request: Request) -> JSONResponse:
    return JSONResponse({"sub": request.state.claims.sub})


async def _notes(request: Request) -> JSONResponse:
    require(request.scope, "write")
    return JSONResponse({})


async def _opened(_request: Request) -> JSONResponse:
    return JSONResponse({})


async def _socket(websocket: WebSocket) -> None:
    require(websocket.scope, "write")
    await websocket.accept()
    await websocket.send_text(websocket.state.claims.sub)
    await websocket.close()


def of_starlette() -> Any:
    """Starlette, with a WebSocket."""
    routes = [
        Route("/home", _home),
        Route("/notes", _notes, methods=["POST"]),
        Route("/open", _opened),
        WebSocketRoute("/socket", _socket),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(BearerMiddleware, public=PUBLIC, **GUARDED)
    return app


def of_litestar() -> Any:
    """Litestar, with the guard around all of it."""

    @litestar.get("/home")
    async def home(request: litestar.Request[Any, Any, Any]) -> dict[str, str]:
        return {"sub": require(request.scope).sub}

    @litestar.post("/notes", status_code=200)
    async def notes(request: litestar.Request[Any, Any, Any]) -> dict[str, str]:
        require(request.scope, "write")
        return {}

    @litestar.get("/open")
    async def opened() -> dict[str, str]:
        return {}

    # Its own logging would take the process's over, on a stream that ends with the test.
    app = litestar.Litestar([home, notes, opened], exception_handlers={Refused: refused}, logging_config=None)
    return BearerMiddleware(app, public=PUBLIC, **GUARDED)


async def _bare(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError("this application knows no lifespan")
    who = claims_of(scope)
    if scope["path"] == "/notes":
        require(scope, "write")
    body = json.dumps({"sub": who.sub} if scope["path"] == "/home" and who else {}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def of_none() -> Any:
    """An ASGI application of no framework, and without a lifespan."""
    return BearerMiddleware(_bare, public=PUBLIC, **GUARDED)


APPLICATIONS = {"FastAPI": of_fastapi, "Starlette": of_starlette, "Litestar": of_litestar, "no framework": of_none}


@contextlib.asynccontextmanager
async def served(app: Any, *, lifespan: str = "on", root_path: str = "") -> AsyncIterator[URL]:
    """Serve an ASGI application by uvicorn, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            app,
            log_level="critical",
            lifespan=lifespan,
            ws="websockets-sansio",
            root_path=root_path,  # type: ignore[arg-type]
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not running.done():  # noqa: ASYNC110 - uvicorn offers nothing to wait on
            await asyncio.sleep(0.01)
        try:
            yield URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            await running


@contextlib.asynccontextmanager
async def served_by_aiohttp() -> AsyncIterator[URL]:
    """Serve the same by aiohttp and ``Bearer``."""
    app = web.Application()

    async def home(request: web.Request) -> web.Response:
        return web.json_response({"sub": request[CLAIMS].sub})

    @requires("write")
    async def notes(_request: web.Request) -> web.Response:
        return web.json_response({})

    async def opened(_request: web.Request) -> web.Response:
        return web.json_response({})

    app.add_routes([web.get("/home", home), web.post("/notes", notes), web.get("/open", opened)])
    Bearer(**GUARDED).mount(app, public=[lambda request: request.path in PUBLIC])
    async with serving(app) as url:
        yield url
