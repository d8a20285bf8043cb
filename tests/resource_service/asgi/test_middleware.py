"""The guard of an ASGI application: what it lets through, and what is told where it is mounted wrongly."""

from collections.abc import Callable
from typing import Any

import aiohttp
import fastapi
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from yarl import URL

from dualtoken.resource_service.asgi import BearerMiddleware, require
from dualtoken.resource_service.fastapi import claims, requires
from dualtoken.resource_service.starlette import BearerBackend
from tests.resource_service.asgi.applications import GUARDED, KEY, of_fastapi, of_none, of_starlette, served
from tests.resource_service.services import bearer


async def told(http: aiohttp.ClientSession, url: URL, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Return status and challenge of an answer."""
    async with http.request(method, url, headers=headers) as answer:
        return answer.status, answer.headers.get("WWW-Authenticate", "")


def _on_a_route() -> Any:
    guard = Middleware(BearerMiddleware, **GUARDED)
    return Starlette(routes=[Route("/home", _who, middleware=[guard])])


def _around_a_mounted_application() -> Any:
    app = fastapi.FastAPI()
    app.mount("/", of_starlette())
    return app


async def _who(request: Request) -> JSONResponse:
    return JSONResponse(request.state.claims.sub)


@pytest.mark.parametrize("misplaced", [_on_a_route, _around_a_mounted_application])
async def test_after_routing_it_says_where_it_belongs(misplaced: Callable[[], Any]) -> None:
    """There no lifespan reaches it: each request fails, and the error names the cure."""
    told: list[BaseException] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except RuntimeError as error:
            told.append(error)
            raise

    app = misplaced()
    async with served(noting) as url, aiohttp.ClientSession() as http:
        answer = await http.get(url / "home", headers=bearer(KEY.token()))

    assert 500 == answer.status
    assert ["put it around the application that the server runs" in str(error) for error in told] == [True]


async def test_after_the_start_it_cannot_be_added() -> None:
    """Which the framework says itself."""
    app = of_fastapi()
    async with served(app):
        with pytest.raises(RuntimeError, match="after an application has started"):
            app.add_middleware(BearerMiddleware, **GUARDED)


@pytest.mark.parametrize("make", [of_fastapi, of_starlette])
async def test_a_guard_within_a_guard_is_told(make: Callable[[], Any]) -> None:
    """At the first request, before anybody gets in."""
    told: list[str] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except RuntimeError as error:
            told.append(str(error))
            raise

    app = make()
    app.add_middleware(BearerMiddleware, **{**GUARDED, "keys": {"keys": [KEY.jwk]}})
    async with served(noting) as url, aiohttp.ClientSession() as http:
        answer = await http.get(url / "home", headers=bearer(KEY.token()))

    assert (500, ["BearerMiddleware is mounted twice: one guard is enough for an application"]) == (answer.status, told)


@pytest.mark.parametrize(
    ("public", "error", "cure"),
    [
        ("/open", TypeError, r"public=\['/open'\]"),
        (["open"], ValueError, "a path begins with a slash: 'open'"),
        ([b"/open"], TypeError, "neither a path nor a predicate: b'/open'"),
        ([_who], TypeError, "neither a path nor a predicate: <function _who"),
    ],
)
def test_what_cannot_be_public_is_told_at_once(public: Any, error: type[Exception], cure: str) -> None:
    """A text alone would make each of its letters a path, and "/" one of them."""
    with pytest.raises(error, match=cure):
        BearerMiddleware(of_starlette(), public=public, **GUARDED)


async def test_a_public_path_is_found_below_a_prefix() -> None:
    """Of the proxy before the server: written with it, as the server has it, or without, as the route does."""
    app = fastapi.FastAPI()
    app.add_middleware(BearerMiddleware, public=["/open", "/api/known"], **GUARDED)
    for path in ("/open", "/known", "/home"):
        app.get(path)(lambda: "")
    async with served(app, root_path="/api") as url, aiohttp.ClientSession() as http:
        statuses = [(await told(http, url / path))[0] for path in ("open", "known", "home", "api/open")]

    assert [200, 200, 401, 401] == statuses


async def test_nobody_is_let_in_as_a_preflight() -> None:
    """Many a route serves any method. What answers a browser's preflight stands before the guard."""
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    async with served(of_none()) as url, aiohttp.ClientSession() as http:
        assert 401 == (await told(http, url / "home", "OPTIONS", **headers))[0]


def _sub_fastapi() -> Any:
    app = fastapi.FastAPI()
    app.post("/notes", dependencies=[fastapi.Depends(requires("write"))])(lambda: "")
    return app


def _sub_starlette() -> Any:
    async def notes(request: Request) -> JSONResponse:
        return JSONResponse(require(request.scope, "write").sub)

    return Starlette(routes=[Route("/notes", notes, methods=["POST"])])


@pytest.mark.parametrize("mounted", [_sub_fastapi, _sub_starlette])
@pytest.mark.parametrize("scope", ["read", "read write"])
async def test_a_mounted_application_answers_as_the_one_around_it(mounted: Callable[[], Any], scope: str) -> None:
    """It makes a 500 of each exception that it does not know, before the guard sees any."""
    app = of_fastapi()
    app.mount("/sub", mounted())
    headers = bearer(KEY.token(scope=scope))
    async with served(app) as url, aiohttp.ClientSession() as http:
        expected = await told(http, url / "notes", "POST", **headers)

        assert expected == await told(http, url / "sub" / "notes", "POST", **headers)


async def _too_late(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
    require(scope, "admin")


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_refusal_that_comes_too_late_breaks_the_answer_off(kind: str) -> None:
    """Nobody takes half an answer for a whole one, and no second one follows the first."""
    async with served(BearerMiddleware(_too_late, **GUARDED)) as url, aiohttp.ClientSession() as http:
        headers = bearer(KEY.token())
        if kind == "http":
            async with http.get(url, headers=headers) as answer:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
        else:
            async with http.ws_connect(url, headers=headers) as socket:
                assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


async def test_a_route_without_a_guard_fails() -> None:
    """A forgotten middleware must not let everybody in."""
    with pytest.raises(RuntimeError, match="no BearerMiddleware"):
        require({"type": "http", "headers": []}, "write")


@pytest.mark.parametrize("needed", ["two scopes", "", None, 5, _who])
def test_a_dependency_on_what_is_no_scope_is_told_at_once(needed: Any) -> None:
    """Before anybody asks for the route."""
    with pytest.raises(
        (ValueError, TypeError), match=r"not a scope|neither a scope nor a predicate|not be asynchronous"
    ):
        requires(needed)


async def test_fastapis_own_way_to_ask_for_scopes_is_obeyed() -> None:
    """``Security(claims, scopes=[…])`` must not be a comment; each of the scopes is needed."""
    app = fastapi.FastAPI()
    app.add_middleware(BearerMiddleware, **GUARDED)

    @app.get("/notes", dependencies=[fastapi.Security(claims, scopes=["read", "write"])])
    async def notes() -> str:
        return ""

    async with served(app) as url, aiohttp.ClientSession() as http:
        status, challenge = await told(http, url / "notes", **bearer(KEY.token(scope="read")))
        both = await told(http, url / "notes", **bearer(KEY.token()))

    assert (403, (200, "")) == (status, both)
    assert 'scope="write"' in challenge
    assert [{"Bearer": ["read", "write"]}] == app.openapi()["paths"]["/notes"]["get"]["security"]


async def test_the_padlock_is_on_the_page() -> None:
    """Both dependencies stand in FastAPI's OpenAPI document."""
    document = of_fastapi().openapi()
    security = {path: next(iter(methods.values())).get("security") for path, methods in document["paths"].items()}

    assert {"/home": [{"Bearer": []}], "/notes": [{"Bearer": []}], "/open": None} == security
    assert "http" == document["components"]["securitySchemes"]["Bearer"]["type"]


async def test_starlette_knows_its_user() -> None:
    """``request.user`` and ``request.auth`` are those of the token."""

    async def who(request: Request) -> JSONResponse:
        scopes = sorted(request.auth.scopes)
        return JSONResponse([request.user.identity, request.user.display_name, request.user.is_authenticated, scopes])

    app = Starlette(routes=[Route("/", who)])
    app.add_middleware(AuthenticationMiddleware, backend=BearerBackend())
    app.add_middleware(BearerMiddleware, **GUARDED)
    async with served(app) as url, aiohttp.ClientSession() as http:
        told = await (await http.get(url, headers=bearer(KEY.token()))).json()

    assert ["user-1", "zs", True, ["read", "write"]] == told


async def test_claims_of_one_request_are_not_the_next_ones() -> None:
    """The state that a lifespan shares is not where they stand."""
    app = fastapi.FastAPI()
    app.add_middleware(BearerMiddleware, public=["/"], **GUARDED)

    @app.get("/")
    async def who(request: fastapi.Request) -> str:
        return getattr(getattr(request.state, "claims", None), "sub", "nobody")

    async with served(app) as url, aiohttp.ClientSession() as http:
        known = await (await http.get(url, headers=bearer(KEY.token()))).json()
        unknown = await (await http.get(url)).json()

    assert ("user-1", "nobody") == (known, unknown)


def test_tests_may_override_the_dependencies() -> None:
    """On routes that need no token there; the guard stays in its place."""
    may_write = requires("write")
    app = fastapi.FastAPI()
    app.add_middleware(BearerMiddleware, public=[lambda _scope: True], **GUARDED)
    app.post("/notes", dependencies=[fastapi.Depends(may_write)])(lambda: "written")
    with TestClient(app) as client:
        refused = client.post("/notes").status_code
        app.dependency_overrides[may_write] = lambda: None

        assert (401, "written") == (refused, client.post("/notes").json())
